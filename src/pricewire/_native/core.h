/* What the parts of `pricewire._native.core` share. */

#ifndef PRICEWIRE_CORE_H
#define PRICEWIRE_CORE_H

/* The stable ABI of the oldest Python that is promised: one binary for it and all later ones. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What the module keeps, for each interpreter its own. */
typedef struct {
    PyObject *event;     /* ServerSentEvent; NULL until a decoder is made */
    PyObject *too_large; /* EventTooLargeError; likewise */
    PyObject *message;   /* "message" */
    PyObject *empty;     /* "" */
    PyObject *data_name; /* "data" */
    PyObject *type_name; /* "type" */
} State;

extern PyType_Spec decoder_spec;

extern const char lanes_run_doc[];
PyObject *lanes_run(PyObject *module, PyObject *const *args, Py_ssize_t count);

#ifdef __linux__
extern const char send_all_doc[];
PyObject *send_all(PyObject *module, PyObject *const *args, Py_ssize_t count);
#endif

#endif
