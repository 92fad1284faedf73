/*
 * Decodes the event stream format, as `EventStreamDecoder` in `pricewire/protocol/decoder.py` does, which says what its arguments, its
 * limit and its errors are. The tests run over both.
 *
 * Source: WHATWG HTML, section 9.2.5 "Parsing an event stream" and section 9.2.6 "Interpreting an event stream".
 */

#include "core.h"

#include <stdint.h>
#include <string.h>

/* The default limit of an event, in bytes. */
#define MAX_EVENT_SIZE (16 * 1024 * 1024)

/* The size of U+FFFD, which stands for a byte that is no UTF-8: decoded data can grow to so many times its size. */
#define REPLACEMENT 3

/* The longest reconnection time, in milliseconds, and its digits; longer ones count as this. */
#define MAX_RETRY 1000000000000LL
#define MAX_RETRY_DIGITS 13

/* How much of a buffer is kept for the next event, in bytes. */
#define KEPT 65536

static const char BOM[] = "\xef\xbb\xbf";
#define BOM_SIZE 3

/* Bytes that grow in linear time. */
typedef struct {
    char *bytes;
    Py_ssize_t size;
    Py_ssize_t room;
} Buffer;

typedef struct {
    PyObject_HEAD
    State *state;
    PyObject *last_event_id;
    PyObject *retry;
    PyObject *origin;
    PyObject *failure; /* what every further call raises; NULL while all is well */
    Py_ssize_t limit;
    /* How many bytes of a BOM the stream has begun with; BOM_SIZE once that is decided. */
    int bom;
    char after_carriage_return;
    char in_comment;
    char is_busy;
    /* The line that is still coming. Of a comment nothing is kept. */
    Buffer line;
    /* The standard's buffers: what the lines of the event that is still coming have said. */
    PyObject *id;
    PyObject *type; /* NULL where there is none */
    Py_ssize_t lines; /* of data */
    Buffer data;      /* the lines of data, joined by LF, as valid UTF-8 */
    /* A first line of data that is not in the buffer yet: it lies in the chunk, or in `line`, and most events have no other. */
    const char *first;
    Py_ssize_t first_size;
    /* The most that the event can have without its unfinished line, in bytes. */
    Py_ssize_t bound;
} Decoder;

static int
append(Buffer *buffer, const char *bytes, Py_ssize_t size)
{
    if (size > buffer->room - buffer->size) {
        if (size > PY_SSIZE_T_MAX / 2 - buffer->size) {
            PyErr_NoMemory();
            return -1;
        }
        Py_ssize_t room = buffer->size + size;
        room += room / 2 + 256;
        char *grown = PyMem_Realloc(buffer->bytes, (size_t)room);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        buffer->bytes = grown;
        buffer->room = room;
    }
    if (size > 0) {
        memcpy(buffer->bytes + buffer->size, bytes, (size_t)size);
        buffer->size += size;
    }
    return 0;
}

static void
empty(Buffer *buffer)
{
    buffer->size = 0;
    if (buffer->room > KEPT) {
        PyMem_Free(buffer->bytes);
        buffer->bytes = NULL;
        buffer->room = 0;
    }
}

static int
is_ascii(const char *bytes, Py_ssize_t size)
{
    uint64_t all = 0;
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        all |= word;
    }
    for (; size > 0; bytes++, size--) {
        all |= (uint64_t)(*bytes & 0x80);
    }
    return (all & 0x8080808080808080u) == 0;
}

static PyObject *
decoded(const char *bytes, Py_ssize_t size)
{
    return PyUnicode_DecodeUTF8(bytes, size, "replace");
}

/* Append bytes as valid UTF-8; where `buffer` is NULL, only count them. Return how many there are then; -1 with an exception. */
static Py_ssize_t
append_valid(Buffer *buffer, const char *bytes, Py_ssize_t size)
{
    if (is_ascii(bytes, size)) {
        return buffer != NULL && append(buffer, bytes, size) < 0 ? -1 : size;
    }
    PyObject *text = decoded(bytes, size);
    if (text == NULL) {
        return -1;
    }
    Py_ssize_t valid_size = 0;
    const char *valid = PyUnicode_AsUTF8AndSize(text, &valid_size);
    if (valid == NULL || (buffer != NULL && append(buffer, valid, valid_size) < 0)) {
        valid_size = -1;
    }
    Py_DECREF(text);
    return valid_size;
}

/* Have the data no longer lie in what comes and goes with a chunk. */
static int
keep_first(Decoder *self)
{
    if (self->first == NULL) {
        return 0;
    }
    const char *first = self->first;
    self->first = NULL;
    return append_valid(&self->data, first, self->first_size) < 0 ? -1 : 0;
}

static int
id_is_new(Decoder *self)
{
    return self->id != self->last_event_id && PyUnicode_Compare(self->id, self->last_event_id) != 0;
}

/* Return the size of the event without its unfinished line, in bytes; -1 with an exception. */
static Py_ssize_t
measure(Decoder *self)
{
    Py_ssize_t type_size = 0, id_size = 0;
    if (keep_first(self) < 0 || (self->type != NULL && PyUnicode_AsUTF8AndSize(self->type, &type_size) == NULL) ||
        (id_is_new(self) && PyUnicode_AsUTF8AndSize(self->id, &id_size) == NULL)) {
        return -1;
    }
    return self->data.size + type_size + id_size;
}

/* Check that the event can have so many more bytes; 0, or -1 with an exception, which is `EventTooLargeError` where it cannot. */
static int
check_room(Decoder *self, Py_ssize_t size)
{
    Py_ssize_t measured = measure(self);
    if (measured < 0) {
        return -1;
    }
    self->bound = measured;
    if (size <= self->limit - measured) {
        return 0;
    }
    PyObject *error = PyObject_CallFunction(self->state->too_large, "nn", measured + size, self->limit);
    if (error != NULL) {
        PyErr_SetObject(self->state->too_large, error);
        Py_DECREF(error);
    }
    return -1;
}

static int
take_data(Decoder *self, const char *value, Py_ssize_t size)
{
    if (self->lines++ == 0) {
        self->first = value;
        self->first_size = size;
        return 0;
    }
    return keep_first(self) < 0 || append(&self->data, "\n", 1) < 0 || append_valid(&self->data, value, size) < 0 ? -1 : 0;
}

static int
take_retry(Decoder *self, const char *digits, Py_ssize_t size)
{
    if (size == 0) {
        return 0;
    }
    for (Py_ssize_t place = 0; place < size; place++) {
        if (digits[place] < '0' || digits[place] > '9') {
            return 0;
        }
    }
    for (; size > 0 && *digits == '0'; digits++, size--) {
    }
    long long milliseconds = 0;
    if (size > MAX_RETRY_DIGITS) {
        milliseconds = MAX_RETRY;
    }
    else {
        for (; size > 0; digits++, size--) {
            milliseconds = milliseconds * 10 + (*digits - '0');
        }
    }
    PyObject *retry = PyLong_FromLongLong(milliseconds < MAX_RETRY ? milliseconds : MAX_RETRY);
    if (retry == NULL) {
        return -1;
    }
    PyObject *before = self->retry;
    self->retry = retry;
    Py_DECREF(before);
    return 0;
}

static int
take_text(PyObject **field, const char *value, Py_ssize_t size)
{
    PyObject *text = decoded(value, size);
    if (text == NULL) {
        return -1;
    }
    PyObject *before = *field;
    *field = text;
    Py_XDECREF(before);
    return 0;
}

static int
is_named(const char *name, Py_ssize_t size, const char *expected)
{
    return (size_t)size == strlen(expected) && memcmp(name, expected, (size_t)size) == 0;
}

static int
take_id(Decoder *self, const char *value, Py_ssize_t size)
{
    return memchr(value, '\0', (size_t)size) == NULL ? take_text(&self->id, value, size) : 0;
}

static int
begins_with(const char *line, Py_ssize_t size, const char *beginning, Py_ssize_t length)
{
    return size >= length && memcmp(line, beginning, (size_t)length) == 0;
}

/* Process a line that is not blank. Source: section 9.2.6, "process the field". */
static int
take_field(Decoder *self, const char *line, Py_ssize_t size)
{
    /* What servers write; all else goes by the general rule. */
    if (begins_with(line, size, "data: ", 6)) {
        return take_data(self, line + 6, size - 6);
    }
    if (begins_with(line, size, "id: ", 4)) {
        return take_id(self, line + 4, size - 4);
    }
    const char *colon = memchr(line, ':', (size_t)size);
    Py_ssize_t name = colon == NULL ? size : colon - line;
    const char *value = line + name, *end = line + size;
    if (colon != NULL) {
        value++;
        if (value < end && *value == ' ') {
            value++;
        }
    }
    if (is_named(line, name, "data")) {
        return take_data(self, value, end - value);
    }
    if (is_named(line, name, "id")) {
        return take_id(self, value, end - value);
    }
    if (is_named(line, name, "event")) {
        return take_text(&self->type, value, end - value);
    }
    return is_named(line, name, "retry") ? take_retry(self, value, end - value) : 0;
}

/* Dispatch the event. Source: section 9.2.6, "dispatch the event". */
static int
dispatch(Decoder *self, PyObject *fields, PyObject *events)
{
    /* The last event id moves at the blank line, with or without data: an event cut off before it must come again. */
    PyObject *before = self->last_event_id;
    self->last_event_id = Py_NewRef(self->id);
    Py_DECREF(before);
    self->bound = 0;
    PyObject *type = self->type;
    self->type = NULL;
    int result = 0;
    if (self->lines > 0) {
        PyObject *data = self->first != NULL ? decoded(self->first, self->first_size) : decoded(self->data.bytes, self->data.size);
        self->lines = 0;
        self->first = NULL;
        empty(&self->data);
        PyObject *event = NULL;
        if (data != NULL) {
            if (type == NULL || PyUnicode_GetLength(type) == 0) {
                Py_XDECREF(type);
                type = Py_NewRef(self->state->message);
            }
            /* The tuple is nobody else's, and takes over what is put into it; its origin is in it already. */
            int is_set = PyTuple_SetItem(fields, 1, data) == 0 && PyTuple_SetItem(fields, 2, Py_NewRef(self->id)) == 0;
            if (is_set && type != PyTuple_GetItem(fields, 0)) {
                is_set = PyTuple_SetItem(fields, 0, Py_NewRef(type)) == 0;
            }
            if (is_set) {
                event = PyObject_Call(self->state->event, fields, NULL);
            }
        }
        result = event == NULL ? -1 : PyList_Append(events, event);
        Py_XDECREF(event);
    }
    Py_XDECREF(type);
    return result;
}

/* Take a whole line, without its end. */
static int
take_line(Decoder *self, const char *line, Py_ssize_t size, PyObject *fields, PyObject *events)
{
    if (size == 0) {
        return dispatch(self, fields, events);
    }
    if (*line == ':') {
        return 0;
    }
    Py_ssize_t most = REPLACEMENT * size;
    if (most > self->limit - self->bound) {
        most = append_valid(NULL, line, size);
        if (most < 0 || check_room(self, most) < 0) {
            return -1;
        }
    }
    self->bound += most;
    return take_field(self, line, size);
}

/* Leave out one byte order mark at the very beginning (section 9.2.5: the stream is decoded by "UTF-8 decode"). */
static int
strip_bom(Decoder *self, const char **place, const char *end)
{
    while (self->bom < BOM_SIZE && *place < end) {
        if (**place != BOM[self->bom]) {
            int size = self->bom;
            self->bom = BOM_SIZE;
            return append(&self->line, BOM, size);
        }
        ++*place;
        self->bom++;
    }
    return 0;
}

static int
take(Decoder *self, const char *place, const char *end, PyObject *fields, PyObject *events)
{
    if (strip_bom(self, &place, end) < 0) {
        return -1;
    }
    if (place < end && self->after_carriage_return) {
        self->after_carriage_return = 0;
        if (*place == '\n') {
            place++;
        }
    }
    /* The next CR; most streams have none, and are searched for one once. */
    const char *carriage_return = place;
    int is_searched = 0;
    while (place < end) {
        if (!is_searched || (carriage_return != NULL && carriage_return < place)) {
            carriage_return = memchr(place, '\r', (size_t)(end - place));
            is_searched = 1;
        }
        const char *until = carriage_return == NULL ? end : carriage_return;
        const char *line_end = memchr(place, '\n', (size_t)(until - place));
        if (line_end == NULL) {
            line_end = carriage_return;
        }
        if (line_end == NULL) {
            if (self->in_comment || (self->line.size == 0 && *place == ':')) {
                self->in_comment = 1;
                break;
            }
            if (keep_first(self) < 0 || append(&self->line, place, end - place) < 0) {
                return -1;
            }
            return self->line.size > self->limit - self->bound ? check_room(self, self->line.size) : 0;
        }
        const char *line = place;
        Py_ssize_t size = line_end - place;
        place = line_end + 1;
        if (*line_end == '\r') {
            if (place == end) {
                /* It is a line end at once; should an LF follow in the next chunk, it is left out there. */
                self->after_carriage_return = 1;
            }
            else if (*place == '\n') {
                place++;
            }
        }
        if (self->in_comment) {
            self->in_comment = 0;
            continue;
        }
        if (self->line.size > 0) {
            /* What is kept for a first line of data lies elsewhere by now. */
            if (append(&self->line, line, size) < 0) {
                return -1;
            }
            line = self->line.bytes;
            size = self->line.size;
            self->line.size = 0;
        }
        if (take_line(self, line, size, fields, events) < 0) {
            return -1;
        }
    }
    if (keep_first(self) < 0) {
        return -1;
    }
    if (self->line.size == 0) {
        empty(&self->line);
    }
    return 0;
}

PyDoc_STRVAR(feed_doc, "feed(chunk, /)\n--\n\n"
                       "Take the next bytes and return the events that they complete, oldest first.\n\n"
                       "Raises:\n    EventTooLargeError: an event exceeds the limit.");

static PyObject *
feed(PyObject *object, PyObject *chunk)
{
    Decoder *self = (Decoder *)object;
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(chunk, &bytes, &size) < 0) {
        return NULL;
    }
    if (self->failure != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(self->failure), self->failure);
        return NULL;
    }
    if (self->is_busy) {
        /* A garbage collection may run anything, and another thread may come in between. */
        PyErr_SetString(PyExc_RuntimeError, "this decoder is being fed already");
        return NULL;
    }
    PyObject *events = PyList_New(0), *fields = PyTuple_New(4);
    int result = -1;
    if (events != NULL && fields != NULL && PyTuple_SetItem(fields, 3, Py_NewRef(self->origin)) == 0) {
        self->is_busy = 1;
        result = take(self, bytes, bytes + size, fields, events);
        self->is_busy = 0;
    }
    Py_XDECREF(fields);
    if (result == 0) {
        return events;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    self->failure = Py_XNewRef(error);
    self->first = NULL;
    if (events != NULL && PyList_Size(events) > 0 && PyErr_GivenExceptionMatches(type, self->state->too_large)) {
        /* These are returned first, and the next call raises. */
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        return events;
    }
    Py_XDECREF(events);
    PyErr_Restore(type, error, traceback);
    return NULL;
}

static int
import_types(State *state)
{
    if (state->event != NULL) {
        return 0;
    }
    PyObject *decoder = PyImport_ImportModule("pricewire.protocol.decoder"), *errors = PyImport_ImportModule("pricewire.errors");
    PyObject *event = decoder == NULL ? NULL : PyObject_GetAttrString(decoder, "ServerSentEvent");
    PyObject *too_large = errors == NULL ? NULL : PyObject_GetAttrString(errors, "EventTooLargeError");
    Py_XDECREF(decoder);
    Py_XDECREF(errors);
    if (event == NULL || too_large == NULL || state->event != NULL) {
        Py_XDECREF(event);
        Py_XDECREF(too_large);
        return state->event != NULL ? 0 : -1;
    }
    state->event = event;
    state->too_large = too_large;
    return 0;
}

static PyObject *
new_decoder(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"last_event_id", "origin", "max_event_size", NULL};
    PyObject *last_event_id = NULL, *origin = NULL, *max_event_size = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|$UUO!:EventStreamDecoder", names, &last_event_id, &origin, &PyLong_Type,
                                     &max_event_size)) {
        return NULL;
    }
    Py_ssize_t limit = MAX_EVENT_SIZE;
    if (max_event_size != NULL) {
        /* One that is greater than any memory is cut to what fits. */
        limit = PyNumber_AsSsize_t(max_event_size, NULL);
        if (limit == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    State *state = PyType_GetModuleState(type);
    if (state == NULL || import_types(state) < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Decoder *self = (Decoder *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->last_event_id = Py_NewRef(last_event_id == NULL ? state->empty : last_event_id);
    self->id = Py_NewRef(self->last_event_id);
    self->origin = Py_NewRef(origin == NULL ? state->empty : origin);
    self->retry = Py_NewRef(Py_None);
    self->limit = limit < 0 ? 0 : limit;
    return (PyObject *)self;
}

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    /* Its traceback may refer to the decoder; all else are texts and numbers. */
    Py_VISIT(((Decoder *)object)->failure);
    return 0;
}

static int
clear(PyObject *object)
{
    Py_CLEAR(((Decoder *)object)->failure);
    return 0;
}

static void
deallocate(PyObject *object)
{
    Decoder *self = (Decoder *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    clear(object);
    Py_XDECREF(self->last_event_id);
    Py_XDECREF(self->retry);
    Py_XDECREF(self->origin);
    Py_XDECREF(self->id);
    Py_XDECREF(self->type);
    PyMem_Free(self->line.bytes);
    PyMem_Free(self->data.bytes);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *
get_last_event_id(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Decoder *)object)->last_event_id);
}

static PyObject *
get_retry(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Decoder *)object)->retry);
}

static PyObject *
get_has_failed(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Decoder *)object)->failure != NULL);
}

static PyMethodDef methods[] = {
    {"feed", feed, METH_O, feed_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"last_event_id", get_last_event_id, NULL, "The id to resume from.", NULL},
    {"retry", get_retry, NULL, "The newest reconnection time that the stream asked for, in milliseconds; None where it did not.", NULL},
    {"has_failed", get_has_failed, NULL, "Whether the next call of `feed` raises, whatever it is given.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Turns the bytes of one connection into events, incrementally."},
    {Py_tp_new, new_decoder},
    {Py_tp_dealloc, deallocate},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

PyType_Spec decoder_spec = {
    .name = "pricewire._native.core.EventStreamDecoder",
    .basicsize = sizeof(Decoder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
