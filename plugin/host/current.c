/* SPDX-License-Identifier: MIT
 *
 * Whose request it is that the code which calls us serves. For what applications call.
 *
 * uWSGI knows by its loop engine. Without threads it has one variable, which a thread that the
 * application started reads as well: so only the worker's own thread is believed. With threads each
 * core's has its own. gevent and greenlet keep it as an attribute of the greenlet: their functions
 * leave an exception set and log a line where there is none, and want the interpreter's lock, which
 * uwsgi.call has given back; so it is asked for here, as they would.
 */
#include "host.h"
#include <dlfcn.h>
#include <pthread.h>
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

static pthread_t worker_thread; /* that served the first core of this process */

void trc_current_here(void) {
    worker_thread = pthread_self();
}

/* --- Greenlets ----------------------------------------------------------------------------- */

/* Of Python's stable interface, which is in this process when a greenlet calls. */
static struct {
    int (*ensure)(void);
    void (*release)(int);
    void *(*import)(const char *);
    void *(*call)(void *, const char *, const char *, ...);
    void *(*get)(void *, const char *);
    void *(*as_pointer)(void *);
    void (*clear)(void);
    void (*forget)(void *);
} python;

static bool find_python(void) {
    static const struct {
        const char *name;
        void *to;
    } functions[] = {
        {"PyGILState_Ensure", &python.ensure},
        {"PyGILState_Release", &python.release},
        {"PyImport_ImportModule", &python.import},
        {"PyObject_CallMethod", &python.call},
        {"PyObject_GetAttrString", &python.get},
        {"PyLong_AsVoidPtr", &python.as_pointer},
        {"PyErr_Clear", &python.clear},
        {"Py_DecRef", &python.forget},
    };
    for (unsigned i = 0; !python.forget && i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *found = dlsym(RTLD_DEFAULT, functions[i].name);
        if (!found)
            return false;
        memcpy(functions[i].to, &found, sizeof(found)); /* an object to a function: POSIX dlsym */
    }
    return true;
}

static bool is_engine_of(const char *function) {
    void *found = dlsym(RTLD_DEFAULT, function), *current;
    memcpy(&current, &uwsgi.current_wsgi_req, sizeof(current));
    return found && found == current;
}

/* An engine is there when the applications are loaded, and stays. */
static bool has_greenlets(void) {
    static enum { UNKNOWN, NO, YES } known;
    if (uwsgi.current_wsgi_req == simple_current_wsgi_req)
        return false;
    if (known == UNKNOWN)
        known = is_engine_of("uwsgi_gevent_current_wsgi_req") ||
                        is_engine_of("uwsgi_greenlet_current_wsgi_req")
                    ? YES
                    : NO;
    return known == YES;
}

static struct wsgi_request *of_greenlet(void) {
    struct wsgi_request *wsgi_req = NULL;
    if (!find_python())
        return NULL;
    const int state = python.ensure();
    void *module = python.import("greenlet");
    void *greenlet = module ? python.call(module, "getcurrent", NULL) : NULL;
    void *number = greenlet ? python.get(greenlet, "uwsgi_wsgi_req") : NULL;
    if (number)
        wsgi_req = python.as_pointer(number);
    python.clear(); /* that of an attribute which is not there */
    python.forget(number);
    python.forget(greenlet);
    python.forget(module);
    python.release(state);
    return wsgi_req;
}

/* --- All ----------------------------------------------------------------------------------- */

static struct wsgi_request *current_request(void) {
    if (uwsgi.current_wsgi_req == threaded_current_wsgi_req)
        return current_wsgi_req();
    if (!pthread_equal(pthread_self(), worker_thread))
        return NULL;
    return has_greenlets() ? of_greenlet() : current_wsgi_req();
}

struct wsgi_request *trc_current_request(void) {
    if (!trc_host.active)
        return NULL;
    struct wsgi_request *wsgi_req = current_request();
    if (!wsgi_req || wsgi_req->async_id < 0 || wsgi_req->async_id >= uwsgi.cores)
        return NULL;
    const unsigned core = (unsigned)wsgi_req->async_id;
    const bool running =
        trc_journal_slot(trc_host.journal, trc_host.tracer.worker, core)->has_context;
    return running ? wsgi_req : NULL; /* else it is over, not begun, or none that is traced */
}
