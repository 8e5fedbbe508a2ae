/* SPDX-License-Identifier: MIT
 *
 * A worker: what is its own, made after the fork and ended with it. Called by plugin.c at the
 * moments uWSGI gives. Whatever fails here leaves a worker that serves and does not trace.
 */
#include "host.h"
#include "tracing/clock.h"
#include "tracing/control_file.h"
#include "tracing/log.h"
#include "tracing/reporter.h"
#include "tracing/sampling_poller.h"
#include "tracing/watcher.h"
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

static struct trc_resource resource;
static pid_t worker_pid; /* this process, if it is a worker that has been set up */

bool trc_worker_start_reporters(unsigned worker) {
    int rc = trc_process_describe(&trc_host.settings, &resource);
    struct trc_reporters_config config = {
        .journal = trc_host.journal,
        .exporters = trc_host.settings.exporter,
        .resource = &resource,
        .worker = worker,
        .flush_interval_ns = trc_host.settings.flush_interval_ns,
    };
    if (rc == 0)
        rc = trc_reporters_start(&config);
    if (rc)
        trc_log("worker %u does not trace: cannot start its reporters: %s", worker + 1,
                strerror(-rc));
    return rc == 0;
}

/* Without one, the strategy is what the pollers of other workers bring. */
static void start_poller(unsigned worker) {
    const struct trc_poller_config config = {
        .strategies = trc_host.tracer.strategies,
        .sampler = &trc_host.settings.sampler,
        .http = &trc_host.settings.http[TRC_WIRE_JAEGER],
        .service = trc_host.settings.service,
        .worker = worker,
    };
    int rc = config.strategies ? trc_poller_start(&config) : 0;
    if (rc)
        trc_log("worker %u does not ask for strategies: %s", worker + 1, strerror(-rc));
}

/* Without one, a slow request is seen when it ends. */
static void start_watcher(unsigned worker) {
    const struct trc_watcher_config config = {
        .journal = trc_host.journal,
        .worker = worker,
        .slow_ns = trc_host.settings.keep_slow_ns,
        .wake = trc_reporters_wake,
    };
    int rc = config.slow_ns ? trc_watcher_start(&config) : 0;
    if (rc)
        trc_log("worker %u does not tell of slow requests: %s", worker + 1, strerror(-rc));
}

/* For a file, and for flushes that another worker was asked for, unless reporters look that often
 * anyhow. */
static void start_control(unsigned worker) {
    const struct trc_control_watch config = {
        .control = trc_host.control,
        .path = trc_host.settings.control_path,
        .worker = worker,
        .wake = trc_reporters_wake,
    };
    bool wanted = config.path || trc_host.settings.flush_interval_ns > TRC_NS_PER_S;
    int rc = wanted ? trc_control_watch_start(&config) : 0;
    if (rc)
        trc_log("worker %u does not look at tracing-control: %s", worker + 1, strerror(-rc));
}

void trc_worker_forget(void) {
    /* A worker of ours is set up anew in its post_fork; any other child stays inert. */
    trc_host.active = false;
    trc_reporters_forget();
    trc_poller_forget();
    trc_watcher_forget();
    trc_control_watch_forget();
}

void trc_worker_start(void) {
    if (!trc_host.journal || uwsgi.mywid < 1 || uwsgi.muleid > 0 || uwsgi.i_am_a_spooler ||
        (unsigned)uwsgi.mywid > trc_journal_config(trc_host.journal)->workers)
        return;
    struct trc_tracer *tracer = &trc_host.tracer;
    tracer->worker = (unsigned)uwsgi.mywid - 1;
    if (trc_journal_hold(trc_host.journal, (unsigned)uwsgi.mywid)) {
        trc_log("worker %d does not trace: another instance has taken tracing-journal",
                uwsgi.mywid);
        return;
    }
    trc_journal_recover(trc_host.journal, tracer->worker, trc_clock_mono_ns());
    trc_journal_note_wait(trc_host.journal, tracer->worker, 0, 0);
    int rc = trc_tracer_seed(tracer);
    if (rc) {
        trc_log("worker %d does not trace: no random numbers: %s", uwsgi.mywid, strerror(-rc));
        return;
    }
    if (!trc_worker_start_reporters(tracer->worker))
        return;
    start_poller(tracer->worker);
    start_watcher(tracer->worker);
    start_control(tracer->worker);
    worker_pid = getpid();
    trc_current_here();
    trc_host.active = true;
}

/* uWSGI's handler of these raises them again, which does nothing while it runs, and exits. */
static unsigned cause_of_exit(void) {
    sigset_t pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGSEGV))
        return SIGSEGV;
    return sigismember(&pending, SIGFPE) ? SIGFPE : TRC_DEATH_EXIT;
}

static void note_exit(void) {
    uint64_t now = trc_clock_mono_ns();
    time_t due = uwsgi.workers[uwsgi.mywid].harakiri;
    /* Without a master the worker itself exits when its request takes too long. */
    if (!uwsgi.master_process && due > 0 && due <= uwsgi_now())
        trc_journal_note_harakiri(trc_host.journal, trc_host.tracer.worker, now);
    trc_journal_note_death(trc_host.journal, trc_host.tracer.worker, cause_of_exit(), now);
}

static void stop_tracing(uint64_t deadline) {
    unsigned worker = trc_host.tracer.worker;
    (void)trc_poller_stop(deadline);
    (void)trc_watcher_stop(deadline);
    (void)trc_control_watch_stop(deadline);
    if (uwsgi.threads > 1) {
        /* The other cores serve on until the process is gone, and are traced: what they finish is
         * in the ring, and what they have open is ended, by whoever comes after us. */
        trc_reporters_stop(deadline);
        note_exit();
        return;
    }
    trc_host.active = false;
    note_exit();
    for (unsigned core = 0; core < trc_journal_config(trc_host.journal)->cores; core++)
        trc_journal_close_slot(trc_host.journal, worker, core, TRC_OUTCOME_KILLED,
                               trc_clock_mono_ns());
    trc_reporters_stop(deadline);
}

/* Is there a master that will look after what we leave? There was none, or it has died. */
static bool has_master(void) {
    return uwsgi.master_process && getppid() == uwsgi.workers[0].pid;
}

/* May run in a signal handler, in the middle of a request. */
void trc_worker_end(void) {
    if (!trc_host.active || worker_pid != getpid())
        return;
    worker_pid = 0; /* once */
    /* A second signal would end the process in the middle of the flush: between a send and its note
     * in the journal, so that the spans went out again. The wait below is bounded; SIGKILL is not
     * asked. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    unsigned worker = trc_host.tracer.worker;
    uint64_t now = trc_clock_mono_ns(), deadline = now + trc_host.settings.exit_timeout_ns;
    trc_journal_note_wait(trc_host.journal, worker, now, deadline);
    stop_tracing(deadline);
    trc_journal_note_wait(trc_host.journal, worker, now, trc_clock_mono_ns());
    if (!has_master()) { /* nobody comes after us; what other cores still serve has no span */
        trc_host.active = false;
        trc_instance_finish(worker, worker);
        trc_instance_log_accounts((int)worker);
    }
}
