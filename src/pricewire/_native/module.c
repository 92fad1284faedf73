/* The module `pricewire._native.core`: what Pricewire does in C where it was compiled. */

#include "core.h"

static PyMethodDef methods[] = {
    {"lanes_run", (PyCFunction)(void (*)(void))lanes_run, METH_FASTCALL, lanes_run_doc},
#ifdef __linux__
    {"send_all", (PyCFunction)(void (*)(void))send_all, METH_FASTCALL, send_all_doc},
#endif
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    State *state = PyModule_GetState(module);
    state->message = PyUnicode_InternFromString("message");
    state->empty = PyUnicode_InternFromString("");
    state->data_name = PyUnicode_InternFromString("data");
    state->type_name = PyUnicode_InternFromString("type");
    if (state->message == NULL || state->empty == NULL || state->data_name == NULL || state->type_name == NULL) {
        return -1;
    }
    PyObject *decoder = PyType_FromModuleAndSpec(module, &decoder_spec, NULL);
    if (decoder == NULL) {
        return -1;
    }
    int result = PyModule_AddType(module, (PyTypeObject *)decoder);
    Py_DECREF(decoder);
    return result;
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->event);
    Py_VISIT(state->too_large);
    return 0;
}

static int
clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->event);
    Py_CLEAR(state->too_large);
    Py_CLEAR(state->message);
    Py_CLEAR(state->empty);
    Py_CLEAR(state->data_name);
    Py_CLEAR(state->type_name);
    return 0;
}

static void
release(void *module)
{
    clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pricewire._native.core",
    .m_doc = "What Pricewire does in C where it was compiled; everything is there in Python as well.",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit_core(void)
{
    return PyModuleDef_Init(&definition);
}
