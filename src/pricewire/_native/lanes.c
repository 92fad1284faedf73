/* Finds the lanes of messages by how their texts begin, as `Lanes.run` in `pricewire/client/topics/conflation.py` does. */

#include "core.h"

#include <string.h>

/* What follows `seq` in an envelope that stands for no others. */
static const char DATA[] = ",\"data\":";
#define DATA_SIZE ((Py_ssize_t)sizeof(DATA) - 1)

const char lanes_run_doc[] =
    "lanes_run(events, start, known, look, /)\n--\n\n"
    "Return the events from a place on that have a lane, each as the lane and its text, up to the first without one.\n\n"
    "`known` has the lanes by the beginnings of texts, and `look` finds or makes one that is not there.";

/* Return how many bytes of a text come before the digits of `seq`. */
static Py_ssize_t
beginning_of(const char *text, Py_ssize_t size)
{
    const char *end = text + size, *place = text;
    while ((place = memchr(place, ',', (size_t)(end - place))) != NULL && end - place >= DATA_SIZE && memcmp(place, DATA, DATA_SIZE) != 0) {
        place++;
    }
    Py_ssize_t found;
    if (place != NULL && end - place >= DATA_SIZE) {
        found = place - text;
    }
    else {
        /* All but the last character. */
        found = size > 0 ? size - 1 : 0;
        while (found > 0 && ((unsigned char)text[found] & 0xc0) == 0x80) {
            found--;
        }
    }
    while (found > 0 && text[found - 1] >= '0' && text[found - 1] <= '9') {
        found--;
    }
    return found;
}

/* Return the lane of a text that begins so, or None; a new reference. */
static PyObject *
lane_of(const char *beginning, Py_ssize_t size, PyObject *known, PyObject *look)
{
    PyObject *name = PyUnicode_DecodeUTF8(beginning, size, NULL);
    if (name == NULL) {
        return NULL;
    }
    PyObject *lane = PyDict_GetItemWithError(known, name);
    if (lane != NULL) {
        Py_INCREF(lane);
    }
    else if (!PyErr_Occurred()) {
        lane = PyObject_CallFunctionObjArgs(look, name, NULL);
    }
    Py_DECREF(name);
    return lane;
}

/* Return whether the event is a message, -1 with an exception. */
static int
is_message(State *state, PyObject *event)
{
    PyObject *type = PyObject_GetAttr(event, state->type_name);
    if (type == NULL) {
        return -1;
    }
    int result = type == state->message || (PyUnicode_Check(type) && PyUnicode_CompareWithASCIIString(type, "message") == 0);
    Py_DECREF(type);
    return result;
}

PyObject *
lanes_run(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    State *state = PyModule_GetState(module);
    if (count != 4 || !PyList_Check(args[0]) || !PyDict_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "lanes_run takes a list of events, a place, a dict and a function");
        return NULL;
    }
    Py_ssize_t place = PyNumber_AsSsize_t(args[1], PyExc_IndexError);
    if (place < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_IndexError, "the place is negative");
        }
        return NULL;
    }
    PyObject *run = PyList_New(0), *lane = NULL, *before = NULL;
    const char *last = NULL;
    Py_ssize_t last_size = 0;
    int result = run == NULL ? -1 : 0;
    for (; result == 0 && place < PyList_Size(args[0]); place++) {
        PyObject *event = Py_NewRef(PyList_GetItem(args[0], place)), *item = NULL;
        PyObject *text = PyObject_GetAttr(event, state->data_name);
        Py_ssize_t size = 0;
        const char *bytes = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, &size);
        int is_one = 0;
        if (bytes == NULL) {
            result = -1;
        }
        else {
            Py_ssize_t beginning = beginning_of(bytes, size);
            /* Mostly one that the message before it had as well. */
            if (last == NULL || beginning != last_size || memcmp(bytes, last, (size_t)beginning) != 0) {
                PyObject *found = lane_of(bytes, beginning, args[2], args[3]);
                Py_XDECREF(lane);
                lane = found;
                last_size = beginning;
            }
            last = bytes;
            is_one = lane == NULL ? -1 : lane == Py_None ? 0 : is_message(state, event);
            if (is_one == 1) {
                item = PyTuple_New(2);
                if (item == NULL || PyTuple_SetItem(item, 0, Py_NewRef(lane)) < 0 || PyTuple_SetItem(item, 1, Py_NewRef(text)) < 0 ||
                    PyList_Append(run, item) < 0) {
                    is_one = -1;
                }
            }
            if (is_one < 0) {
                result = -1;
            }
        }
        Py_XDECREF(item);
        Py_DECREF(event);
        /* `last` lies in it. */
        Py_XDECREF(before);
        before = text;
        if (result == 0 && is_one == 0) {
            break;
        }
    }
    Py_XDECREF(before);
    Py_XDECREF(lane);
    if (result < 0) {
        Py_XDECREF(run);
        return NULL;
    }
    return run;
}
