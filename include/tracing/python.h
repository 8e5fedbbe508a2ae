/* SPDX-License-Identifier: MIT
 *
 * The bridge into the Python that uWSGI embeds: learns the route of a request from the framework,
 * and what an exception says, and needs no change to the application and no Python to build with.
 *
 * All of Python's functions are looked up at run time (plugin/python/api.h); whoever does not run
 * Python never notices. What lives in the interpreter is plugin/python/bridge.py.
 */
#ifndef TRACING_PYTHON_H
#define TRACING_PYTHON_H

#include "tracing/slice.h"

/* What an exception says, in UTF-8, each within its limit of a span's (tracing/span.h). */
struct trc_python_exception {
    struct trc_slice type, message, stack;
};

/* Whom the bridge tells; each is called with the interpreter's lock held, with any number for a
 * core, and with slices that live for the call. */
struct trc_python_host {
    void (*route)(unsigned core, struct trc_slice route);
    bool (*wants_exception)(unsigned core); /* false: it need not be described */
    void (*exception)(unsigned core, const struct trc_python_exception *exception);
};

/* Loads the bridge into the main interpreter and those of the thread states `states` (PyThreadState
 * of this thread, each), where it is not there yet; *host is kept. Nothing happens where there is
 * no Python. What keeps it from loading is said in one line, and it is not there then. Takes the
 * interpreter's lock, if it has to. Thread: startup, the one that made the interpreters. */
void trc_python_load(const struct trc_python_host *host, void *const *states, unsigned count);

/* Describes the exception that is set in this thread to host->exception, and leaves it set. False,
 * and nothing is told, if there is none or this interpreter has no bridge. The caller has the
 * interpreter's lock. Runs code of the application (__str__ of its exceptions). Thread: request, on
 * its way to an error. */
bool trc_python_describe(unsigned core);

#endif
