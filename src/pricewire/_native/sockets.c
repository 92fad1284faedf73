/* Writes the same bytes to many sockets in one call. */

#include "core.h"

#ifdef __linux__

#include <errno.h>
#include <sys/socket.h>

/* From so many sockets on other threads may run meanwhile: to let them takes longer than to write to a few. */
#define MANY 32

const char send_all_doc[] =
    "send_all(targets, data, /)\n--\n\n"
    "Send `data` to every target that is the number of a socket, without waiting for any.\n\n"
    "Return None where all took everything; otherwise a list of the others, each as its place in `targets` and how many bytes it took:\n"
    "sockets that took less or that failed, and the targets that are no numbers, which took nothing.\n\n"
    "Whoever calls vouches that these sockets are open and that nothing written before waits for them.";

typedef struct {
    int number; /* -1 for a target that is none */
    ssize_t sent;
} Socket;

static void
send_to_each(Socket *sockets, Py_ssize_t count, const char *bytes, size_t size)
{
    for (Socket *socket = sockets; socket < sockets + count; socket++) {
        if (socket->number < 0) {
            continue;
        }
        do {
            socket->sent = send(socket->number, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        } while (socket->sent < 0 && errno == EINTR);
        if (socket->sent < 0) {
            /* Whatever it is, the transport finds the same and knows what to do. */
            socket->sent = 0;
        }
    }
}

static int
add(PyObject **rest, Py_ssize_t place, Py_ssize_t sent)
{
    if (*rest == NULL && (*rest = PyList_New(0)) == NULL) {
        return -1;
    }
    PyObject *item = Py_BuildValue("(nn)", place, sent);
    int result = item == NULL ? -1 : PyList_Append(*rest, item);
    Py_XDECREF(item);
    return result;
}

PyObject *
send_all(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t arguments)
{
    char *bytes;
    Py_ssize_t size;
    if (arguments != 2 || !PyList_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "send_all takes a list of targets and bytes");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[1], &bytes, &size) < 0) {
        return NULL;
    }
    Py_ssize_t count = PyList_Size(args[0]);
    /* Most groups are small. */
    Socket few[MANY], *sockets = few;
    if (count > MANY && (sockets = PyMem_Malloc((size_t)count * sizeof(Socket))) == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *rest = NULL;
    int result = 0;
    for (Py_ssize_t place = 0; place < count && result == 0; place++) {
        PyObject *target = PyList_GetItem(args[0], place);
        long number = -1;
        sockets[place].sent = 0;
        if (PyLong_Check(target)) {
            number = PyLong_AsLong(target);
            if (number < 0 || number > INT_MAX) {
                if (!PyErr_Occurred()) {
                    PyErr_SetString(PyExc_ValueError, "a target is no number of a socket");
                }
                result = -1;
            }
        }
        sockets[place].number = (int)number;
    }
    if (result == 0) {
        if (count < MANY) {
            send_to_each(sockets, count, bytes, (size_t)size);
        }
        else {
            Py_BEGIN_ALLOW_THREADS
            send_to_each(sockets, count, bytes, (size_t)size);
            Py_END_ALLOW_THREADS
        }
    }
    for (Py_ssize_t place = 0; place < count && result == 0; place++) {
        if (sockets[place].number < 0 || sockets[place].sent < size) {
            result = add(&rest, place, sockets[place].sent);
        }
    }
    if (sockets != few) {
        PyMem_Free(sockets);
    }
    if (result < 0) {
        Py_XDECREF(rest);
        return NULL;
    }
    return rest == NULL ? Py_NewRef(Py_None) : rest;
}

#endif
