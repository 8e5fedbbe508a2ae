/* SPDX-License-Identifier: MIT
 *
 * What the files of this folder share: the state of the plugin in this process.
 */
#ifndef TRACING_HOST_HOST_H
#define TRACING_HOST_HOST_H

#include "tracing/python.h"
#include "tracing/response.h"
#include "tracing/settings.h"
#include "tracing/tracer.h"

struct host {
    struct trc_settings settings;
    struct trc_tracer tracer;
    struct trc_journal *journal;  /* NULL until the master has made it, */
    struct trc_control *control;  /* with it */
    struct trc_core_rules *rules; /* and of each core what it has seen of it */
    bool given_up; /* at startup, for want of something: said, and nothing is traced */
    /* This process serves requests and traces them: true in workers only, from post_fork to exit,
     * and never in a child that the application forks. Read at each request. */
    volatile bool active;
};

extern struct host trc_host;

/* Why a switch was not turned; the next try may do. */
#define TRC_CONTROL_BUSY "somebody else is changing the settings, and has been for too long"

/* Puts our begin hook around the protocol parser of each socket. Thread: startup, after the sockets
 * have got theirs. */
void trc_hooks_install(void);

struct wsgi_request;

/* Makes room for the headers of tracing-response-header in the responses of so many cores; none if
 * none are asked for. Thread: startup. */
void trc_headers_prepare(unsigned cores);

/* Has uWSGI send the headers with the response of a request that has been begun. Thread: request.
 */
void trc_headers_add(struct wsgi_request *wsgi_req);

/* Takes back what trc_headers_add gave to uWSGI, if it did, before uWSGI frees it.
 * Thread: request. */
void trc_headers_remove(struct wsgi_request *wsgi_req);

/* Finds what of a request matters to the tracer in its packet. Returns false, and *request is of no
 * use, when it is none that is traced. Thread: request. */
bool trc_request_scan(struct wsgi_request *wsgi_req, struct trc_request *request);

/* Notes that this thread is the one that serves the first core. Thread: startup of a worker. */
void trc_current_here(void);

/* The request that the caller serves, if it has a context, recorded or not: NULL in any other
 * process or thread, and for any other request. Thread: any. */
struct wsgi_request *trc_current_request(void);

/* Makes the routing action `tracing` known, where uWSGI has routing. Thread: startup. */
void trc_route_register(void);

struct uwsgi_plugin;

/* Has the bridge into Python loaded when uWSGI has loaded applications, unless tracing-python says
 * no. Thread: startup, before that. */
void trc_bridge_prepare(void);

/* Is this the plugin of Python? Thread: any. */
bool trc_bridge_is_python(const struct uwsgi_plugin *language);

/* Does the core's request have a span, and that no exception yet? Thread: request. */
bool trc_bridge_wants_exception(unsigned core);

/* Puts an exception on the span of the core's request, if it is wanted. Thread: request. */
void trc_bridge_tell_exception(unsigned core, const struct trc_python_exception *exception);

/* Puts our hook around what logs the exceptions that leave applications. Thread: startup, when all
 * plugins are loaded. */
void trc_exceptions_install(void);

/* Reads options and environment into trc_host.settings, once. Returns 0; or says what is wrong and
 * returns -EINVAL, or -ENOMEM: there is nothing to trace with. Thread: startup, when all options
 * are taken. */
int trc_host_configure(void);

/* Makes what the workers share, before there are any; without it nothing is traced. Thread:
 * startup, in the master, when workers and cores are counted. */
void trc_instance_make(void);

/* Notes which workers have died, and of what, before uWSGI buries them, and that the instance
 * lives. Thread: the master, in each turn of its loop. */
void trc_instance_watch(void);

/* Notes that the master is about to kill the worker (from 1) because a request took too long.
 * Thread: the master. */
void trc_instance_harakiri(int wid);

/* Ends an instance: what its workers left, and the accounts. Thread: exit, in the master, all
 * workers dead; does nothing in what the master has forked, or when there never was a worker. */
void trc_instance_end(void);

/* Recovers and exports what the workers `first` to `last` left that nobody came to replace, within
 * what they have not waited of tracing-exit-timeout. They are dead, or this process at its own end.
 * All of them are counted, whatever time is left: the accounts tell what did not go out. Thread:
 * exit. */
void trc_instance_finish(unsigned first, unsigned last);

/* Logs where every span went, one line an exporter, of one worker (from 0) or (-1) of all.
 * Thread: exit. */
void trc_instance_log_accounts(int worker);

/* Makes this process a worker that traces: recovers what a dead one left in its place, seeds,
 * starts the threads. What is no worker stays as it is. Thread: startup of a worker, after the
 * fork. */
void trc_worker_start(void);

/* Ends it: closes its spans, exports, joins, within tracing-exit-timeout. May run in a signal
 * handler, in the middle of a request. Thread: exit. */
void trc_worker_end(void);

/* Starts the reporters of the worker (from 0); says why it cannot and returns false.
 * Thread: startup of a worker, or the end of an instance. */
bool trc_worker_start_reporters(unsigned worker);

/* Makes the child of a fork inert: for pthread_atfork. Async-signal-safe. */
void trc_worker_forget(void);

/* Makes tracing-check known to uWSGI; has uWSGI run it, if the option still says so when all
 * options are read: it does not return then. Thread: startup. */
void trc_check_register(void);
void trc_check_soon(void);

/* Makes the counters known to uWSGI's metrics, if it has them: their names are those of the status,
 * tracing.sampled, and tracing.exporter.0.exported. Thread: startup, before uWSGI counts its
 * metrics. */
void trc_metrics_register(void);

/* Has the metrics show what the counters are now. Thread: the master. */
void trc_metrics_update(void);

/* Registers %(trace_id), %(span_id) and %(trace_sampled) for log-format. Thread: startup. */
void trc_logvars_register(void);

/* Fills *out with what this worker tells of itself. The slices point to static memory. Returns 0 or
 * a negative errno. Thread: startup of a worker, after the fork. */
int trc_process_describe(const struct trc_settings *settings, struct trc_resource *out);

#endif
