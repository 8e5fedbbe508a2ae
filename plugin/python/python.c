/* SPDX-License-Identifier: MIT
 *
 * Carries bridge.py, runs it in the interpreters that uWSGI embeds, and is what it calls. Used by
 * host/bridge.c and host/exceptions.c.
 *
 * The bridge calls builtin functions, made here, and not uwsgi.call(): that takes microseconds.
 * Nothing of an interpreter is kept on this side: each has the bridge in its sys.modules, where a
 * thread finds that of its own.
 */
#include "tracing/python.h"
#include "api.h"
#include "tracing/log.h"
#include "tracing/span.h"
#include <dlfcn.h>
#include <stdint.h>

#define MODULE "uwsgi_tracing"

/* The compiler is told where to look for it (uwsgiplugin.py, Makefile). */
__asm__(
    ".pushsection .rodata\n"
    ".globl trc_bridge_source\n"
    ".hidden trc_bridge_source\n"
    "trc_bridge_source: .incbin \"bridge.py\"\n"
    ".byte 0\n"
    ".popsection\n");
extern const char trc_bridge_source[] __attribute__((visibility("hidden")));

static struct python_api py;
static const struct trc_python_host *host;

/* --- What the bridge calls -------------------------------------------------------------------- */

static PyObject *none(void) {
    py.Py_IncRef(py.none);
    return py.none;
}

/* One that does not fit is none: the host knows what cores there are. */
static bool take_core(PyObject *object, unsigned *core) {
    long number = py.PyLong_AsLong(object);
    if (number == -1 && py.PyErr_Occurred())
        return false;
    *core = number < 0 || number > INT32_MAX ? UINT32_MAX : (unsigned)number;
    return true;
}

static bool take_bytes(PyObject *object, struct trc_slice *out) {
    char *p;
    ssize_t len;
    if (!object || py.PyBytes_AsStringAndSize(object, &p, &len))
        return false;
    *out = (struct trc_slice){p, (size_t)len};
    return true;
}

/* route(core, template) */
static PyObject *route(PyObject *self, PyObject *const *args, ssize_t count) {
    unsigned core;
    ssize_t len;
    (void)self;
    if (count == 2 && take_core(args[0], &core)) {
        const char *p = py.PyUnicode_AsUTF8AndSize(args[1], &len);
        if (p)
            host->route(core, (struct trc_slice){p, (size_t)len});
    }
    return py.PyErr_Occurred() ? NULL : none();
}

/* wants_exception(core) */
static PyObject *wants_exception(PyObject *self, PyObject *const *args, ssize_t count) {
    unsigned core;
    (void)self;
    bool wanted = count == 1 && take_core(args[0], &core) && host->wants_exception(core);
    return py.PyErr_Occurred() ? NULL : py.PyBool_FromLong(wanted);
}

/* exception(core, type, message, stack) */
static PyObject *exception(PyObject *self, PyObject *const *args, ssize_t count) {
    unsigned core;
    struct trc_python_exception e;
    (void)self;
    if (count == 4 && take_core(args[0], &core) && take_bytes(args[1], &e.type) &&
        take_bytes(args[2], &e.message) && take_bytes(args[3], &e.stack))
        host->exception(core, &e);
    return py.PyErr_Occurred() ? NULL : none();
}

static struct python_method methods[] = {
    {"route", route, PYTHON_METH_FASTCALL, NULL},
    {"wants_exception", wants_exception, PYTHON_METH_FASTCALL, NULL},
    {"exception", exception, PYTHON_METH_FASTCALL, NULL},
};

/* --- Loading ---------------------------------------------------------------------------------- */

/* Python has functions of its own for this, in the headers only. */
static void drop(PyObject *object) {
    if (object)
        py.Py_DecRef(object);
}

/* Is there a Python, and all of it that we use? Says so if only that is missing. */
static bool find_python(void) {
    int (*is_initialized)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "Py_IsInitialized");
    if (!is_initialized || !is_initialized())
        return false;
#define FIND(result, name, arguments)                                                              \
    py.name = (result(*) arguments)dlsym(RTLD_DEFAULT, #name);                                     \
    if (!py.name) {                                                                                \
        trc_log("tracing-python: not loaded: this Python has no " #name);                          \
        return false;                                                                              \
    }
    PYTHON_API(FIND)
#undef FIND
    py.none = dlsym(RTLD_DEFAULT, "_Py_NoneStruct");
    return py.none != NULL;
}

/* Says what the exception says that is set, and clears it. */
static void log_failure(void) {
    PyObject *type = NULL, *value = NULL, *trace = NULL;
    py.PyErr_Fetch(&type, &value, &trace);
    py.PyErr_NormalizeException(&type, &value, &trace);
    PyObject *text = value ? py.PyObject_Str(value) : NULL;
    ssize_t len;
    const char *p = text ? py.PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    trc_log("tracing-python: not loaded: %s", p ? p : "for an unknown reason");
    py.PyErr_Clear();
    drop(text);
    drop(type);
    drop(value);
    drop(trace);
}

/* Takes over `value`. */
static bool set(PyObject *dict, const char *name, PyObject *value) {
    bool ok = value && py.PyDict_SetItemString(dict, name, value) == 0;
    drop(value);
    return ok;
}

/* What the bridge finds in its namespace. */
static bool furnish(PyObject *dict) {
    bool ok = py.PyDict_SetItemString(dict, "__builtins__", py.PyEval_GetBuiltins()) == 0;
    for (unsigned i = 0; ok && i < sizeof(methods) / sizeof(methods[0]); i++)
        ok = set(dict, methods[i].name, py.PyCFunction_NewEx(&methods[i], NULL, NULL));
    return ok && set(dict, "TYPE_MAX", py.PyLong_FromLong(TRC_SPAN_EXCEPTION_TYPE_MAX)) &&
           set(dict, "MESSAGE_MAX", py.PyLong_FromLong(TRC_SPAN_EXCEPTION_MESSAGE_MAX)) &&
           set(dict, "STACK_MAX", py.PyLong_FromLong(TRC_SPAN_EXCEPTION_STACK_MAX));
}

/* Runs the bridge in the module's namespace. */
static bool run(PyObject *dict) {
    PyObject *code = NULL, *result = NULL;
    if (furnish(dict))
        code = py.Py_CompileString(trc_bridge_source, "<" MODULE ">", PYTHON_FILE_INPUT);
    if (code)
        result = py.PyEval_EvalCode(code, dict, dict);
    drop(code);
    drop(result);
    return result != NULL;
}

/* In the interpreter that is current. */
static void load(void) {
    PyObject *modules = py.PyImport_GetModuleDict();
    if (py.PyDict_GetItemString(modules, MODULE))
        return;
    PyObject *module = py.PyModule_New(MODULE);
    if (!module || py.PyDict_SetItemString(modules, MODULE, module) ||
        !run(py.PyModule_GetDict(module))) {
        log_failure();
        (void)py.PyDict_DelItemString(modules, MODULE);
        py.PyErr_Clear(); /* it was not there */
    }
    drop(module);
}

void trc_python_load(const struct trc_python_host *to, void *const *states, unsigned count) {
    if (!find_python())
        return;
    host = to;
    int lock = py.PyGILState_Ensure();
    load();
    for (unsigned i = 0; i < count; i++) {
        void *before = py.PyThreadState_Swap(states[i]);
        load();
        py.PyThreadState_Swap(before);
    }
    py.PyGILState_Release(lock);
}

/* --- Exceptions ------------------------------------------------------------------------------- */

/* describe() of this interpreter's bridge, borrowed, or NULL. */
static PyObject *find_describe(void) {
    PyObject *module = py.PyDict_GetItemString(py.PyImport_GetModuleDict(), MODULE);
    PyObject *dict = module ? py.PyModule_GetDict(module) : NULL;
    return dict ? py.PyDict_GetItemString(dict, "describe") : NULL;
}

bool trc_python_describe(unsigned core) {
    PyObject *type, *value, *trace, *texts = NULL;
    struct trc_python_exception e;
    if (!host || !py.PyErr_Occurred())
        return false;
    py.PyErr_Fetch(&type, &value, &trace);
    py.PyErr_NormalizeException(&type, &value, &trace);
    PyObject *describe = find_describe();
    if (describe)
        texts = py.PyObject_CallFunctionObjArgs(describe, type, value, trace ? trace : py.none,
                                                (PyObject *)NULL);
    bool ok = texts && take_bytes(py.PyTuple_GetItem(texts, 0), &e.type) &&
              take_bytes(py.PyTuple_GetItem(texts, 1), &e.message) &&
              take_bytes(py.PyTuple_GetItem(texts, 2), &e.stack);
    if (ok)
        host->exception(core, &e);
    drop(texts);
    py.PyErr_Restore(type, value, trace); /* in place of what we may have failed with */
    return ok;
}
