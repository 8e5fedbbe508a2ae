/* SPDX-License-Identifier: MIT
 *
 * As much of Python as the bridge uses, declared by hand and looked up at run time, so that the
 * plugin needs no Python to build and runs with whichever uWSGI embeds. All of it belongs to the
 * stable ABI ("C API Stability", docs.python.org/3/c-api/stable.html), but for METH_FASTCALL and
 * PyUnicode_AsUTF8AndSize before Python 3.10, which have been what they are since 3.7 and 3.3.
 */
#ifndef TRACING_PYTHON_API_H
#define TRACING_PYTHON_API_H

#include <stddef.h>
#include <sys/types.h>

typedef struct python_object PyObject; /* never looked into */

typedef PyObject *python_fastcall(PyObject *self, PyObject *const *args, ssize_t count);

/* PyMethodDef */
struct python_method {
    const char *name;
    python_fastcall *function;
    int flags;
    const char *doc;
};

#define PYTHON_METH_FASTCALL 0x0080
#define PYTHON_FILE_INPUT 257

/* result, name, arguments */
#define PYTHON_API(F)                                                                              \
    F(int, PyGILState_Ensure, (void))                                                              \
    F(void, PyGILState_Release, (int))                                                             \
    F(void *, PyThreadState_Swap, (void *))                                                        \
    F(void, Py_IncRef, (PyObject *))                                                               \
    F(void, Py_DecRef, (PyObject *))                                                               \
    F(PyObject *, PyErr_Occurred, (void))                                                          \
    F(void, PyErr_Clear, (void))                                                                   \
    F(void, PyErr_Fetch, (PyObject **, PyObject **, PyObject **))                                  \
    F(void, PyErr_NormalizeException, (PyObject **, PyObject **, PyObject **))                     \
    F(void, PyErr_Restore, (PyObject *, PyObject *, PyObject *))                                   \
    F(PyObject *, PyObject_Str, (PyObject *))                                                      \
    F(PyObject *, PyObject_CallFunctionObjArgs, (PyObject *, ...))                                 \
    F(PyObject *, Py_CompileString, (const char *, const char *, int))                             \
    F(PyObject *, PyEval_EvalCode, (PyObject *, PyObject *, PyObject *))                           \
    F(PyObject *, PyEval_GetBuiltins, (void))                                                      \
    F(PyObject *, PyImport_GetModuleDict, (void))                                                  \
    F(PyObject *, PyModule_New, (const char *))                                                    \
    F(PyObject *, PyModule_GetDict, (PyObject *))                                                  \
    F(PyObject *, PyDict_GetItemString, (PyObject *, const char *))                                \
    F(int, PyDict_SetItemString, (PyObject *, const char *, PyObject *))                           \
    F(int, PyDict_DelItemString, (PyObject *, const char *))                                       \
    F(PyObject *, PyCFunction_NewEx, (struct python_method *, PyObject *, PyObject *))             \
    F(long, PyLong_AsLong, (PyObject *))                                                           \
    F(PyObject *, PyLong_FromLong, (long))                                                         \
    F(PyObject *, PyBool_FromLong, (long))                                                         \
    F(const char *, PyUnicode_AsUTF8AndSize, (PyObject *, ssize_t *))                              \
    F(int, PyBytes_AsStringAndSize, (PyObject *, char **, ssize_t *))                              \
    F(PyObject *, PyTuple_GetItem, (PyObject *, ssize_t))

struct python_api {
#define FIELD(result, name, arguments) result(*name) arguments;
    PYTHON_API(FIELD)
#undef FIELD
    PyObject *none;
};

#endif
