/* SPDX-License-Identifier: MIT
 *
 * The plugin as uWSGI sees it: its options, and what happens at each moment of a process's life.
 *
 *   master   on_load   log variables          worker   post_fork  recover, seed, start threads
 *            init      options and environment          (requests: hooks.c)
 *            post_init hooks into the sockets           atexit     close spans, flush, join
 *            preinit   what workers share
 *            cleanup   what workers left, and the accounts in one line an exporter
 *
 * Nothing that belongs to a process is made before the fork: the master makes the mapping and no
 * thread, no socket, no id.
 */
#include "host.h"
#include "tracing/clock.h"
#include "tracing/log.h"
#include "tracing/reporter.h"
#include "tracing/sampling_poller.h"
#include <inttypes.h>
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

struct host trc_host;

static struct trc_options options;
static struct trc_resource resource;
static pid_t worker_pid; /* this process, if it is a worker that has been set up */

static void log_line(const char *line) {
    uwsgi_log("%s", line);
}

/* --- Options ---------------------------------------------------------------------------------- */

static void take_option(char *name, char *value, void *data) {
    enum trc_option option = (enum trc_option)(intptr_t)data;
    char shown[161];
    if (trc_options_add(&options, option, value ? value : "true")) {
        trc_settings_show(option, trc_slice_of(value), shown, sizeof(shown));
        uwsgi_log("[tracing] %s = %s: given too often (allowed: %d times)\n", name, shown,
                  TRC_OPTION_VALUES_MAX);
        exit(1);
    }
    if (option == TRC_OPT_CHECK)
        trc_check_soon();
}

/* uWSGI reads its table when it loads the plugin; it is filled from ours just before. */
static struct uwsgi_option uwsgi_options[TRC_OPT_COUNT + 1];

__attribute__((constructor)) static void fill_options(void) {
    static char help[TRC_OPT_COUNT][256];
    for (int i = 0; i < TRC_OPT_COUNT; i++) {
        const struct trc_option_info *info = &trc_option_table[i];
        snprintf(help[i], sizeof(help[i]), "%s (default: %s)", info->help, info->initial);
        uwsgi_options[i] = (struct uwsgi_option){
            .name = (char *)info->name,
            .type = info->flag ? optional_argument : required_argument,
            .help = help[i],
            .func = take_option,
            .data = (void *)(intptr_t)i,
        };
    }
}

/* --- The master ------------------------------------------------------------------------------- */

static void on_load(void) {
    trc_log_to(log_line);
    trc_logvars_register();
    trc_check_register();
}

/* libcurl is made ready only for those who use it. */
static void init_http(const struct trc_settings *settings) {
    bool wanted = settings->sampler.type == TRC_SAMPLER_REMOTE;
    for (unsigned i = 0; i < settings->exporter_count; i++)
        wanted = wanted || settings->exporter[i].kind->http;
    if (wanted && trc_http_init()) {
        uwsgi_log("[tracing] no memory for libcurl\n");
        exit(1);
    }
}

/* uWSGI logs its options when it is asked for statistics, and gives them to applications: not with
 * what is secret. Ours point to the texts as they were given. */
static void hide_secrets(void) {
    static const enum trc_option secret[] = {TRC_OPT_EXPORT, TRC_OPT_EXPORT_HEADER};
    char shown[512];
    for (int i = 0; i < uwsgi.exported_opts_cnt; i++) {
        struct uwsgi_opt *o = uwsgi.exported_opts[i];
        for (unsigned k = 0; o->value && k < sizeof(secret) / sizeof(secret[0]); k++) {
            if (strcmp(o->key, trc_option_table[secret[k]].name) != 0)
                continue;
            trc_settings_show(secret[k], trc_slice_of(o->value), shown, sizeof(shown));
            o->value = uwsgi_str(shown);
        }
    }
}

static void init_tracer(const struct trc_settings *settings) {
    struct trc_tracer *tracer = &trc_host.tracer;
    if (trc_tracer_init(tracer, settings->extract, settings->inject)) {
        uwsgi_log("[tracing] tracing-extract, tracing-inject: too many formats\n");
        exit(1);
    }
    tracer->sampler = settings->sampler;
    tracer->trust = settings->trust;
    tracer->baggage_tags = settings->baggage_tag;
    tracer->baggage_tag_count = settings->baggage_tag_count;
    tracer->wake = trc_reporters_wake;
}

bool trc_host_configure(void) {
    static bool done;
    char error[TRC_ERROR_LINE_MAX], cwd[PATH_MAX];
    const char *directory = uwsgi.chdir ? uwsgi.chdir : getcwd(cwd, sizeof(cwd));
    if (!done && trc_settings_make(&options, directory ? strdup(directory) : NULL,
                                   &trc_host.settings, error)) {
        uwsgi_log("[tracing] %s\n", error);
        return false;
    }
    done = true;
    return true;
}

static int init(void) {
    if (!trc_host_configure())
        exit(1);
    init_tracer(&trc_host.settings);
    init_http(&trc_host.settings);
    hide_secrets();
    return 0;
}

static void forked_child(void) {
    /* A worker of ours is set up anew in its post_fork; any other child stays inert. */
    trc_host.active = false;
    trc_reporters_forget();
    trc_poller_forget();
}

static void post_init(void) {
    trc_hooks_install();
    pthread_atfork(NULL, NULL, forked_child);
}

static bool start_reporters(unsigned worker) {
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

/* What the workers `first` to `last` left that nobody came to replace. They are dead, or this
 * process at its own end. */
static void export_leftovers(unsigned first, unsigned last) {
    uint64_t now = trc_clock_mono_ns(), deadline = now + trc_host.settings.exit_timeout_ns;
    for (unsigned w = first; w <= last; w++) {
        uint64_t queued = 0;
        trc_journal_recover(trc_host.journal, w, now);
        for (unsigned e = 0; e < trc_host.settings.exporter_count; e++) {
            struct trc_accounts a;
            trc_journal_accounts(trc_host.journal, (int)w, e, &a);
            queued += a.queued;
        }
        if (queued && (!start_reporters(w) || trc_reporters_stop(deadline)))
            return; /* out of time: the accounts tell what is left */
    }
}

/* Where every span went, of one worker or (-1) of all. */
static void log_accounts(int worker) {
    for (unsigned e = 0; e < trc_host.settings.exporter_count; e++) {
        struct trc_accounts a;
        char error[TRC_LAST_ERROR_MAX];
        trc_journal_accounts(trc_host.journal, worker, e, &a);
        bool failed = trc_journal_last_error(trc_host.journal, worker, e, error);
        trc_log("%s: sampled %" PRIu64 " = exported %" PRIu64 " + failed %" PRIu64
                " + dropped %" PRIu64 " + lost %" PRIu64 " + queued %" PRIu64 " (recovered %" PRIu64
                ", truncated %" PRIu64 ", context errors %" PRIu64 ", retried %" PRIu64
                ", rejected %" PRIu64 ")%s%s",
                trc_host.settings.exporter[e].url, a.sampled, a.exported, a.failed, a.dropped,
                a.lost, a.queued, a.recovered, a.truncated, a.context_errors, a.retried, a.rejected,
                failed ? ", last error: " : "", error);
    }
}

/* The end of an instance in its master, all workers dead: uWSGI calls it at exit and before the
 * exec of a reload, and at exit of what the master has forked, too. */
static void master_cleanup(void) {
    static bool done;
    bool ran = uwsgi.numproc > 0 && uwsgi.workers[1].last_spawn > 0;
    if (done || !trc_host.journal || !ran || getpid() != uwsgi.workers[0].pid)
        return;
    done = true;
    export_leftovers(0, trc_journal_config(trc_host.journal)->workers - 1);
    log_accounts(-1);
}

static int make_shared(const struct trc_journal_config *config) {
    const struct trc_sampler *sampler = &trc_host.settings.sampler;
    int rc = trc_journal_new(&trc_host.journal, config);
    if (rc == 0 && sampler->type == TRC_SAMPLER_REMOTE)
        rc = trc_strategies_new(&trc_host.tracer.strategies, sampler->param);
    if (rc) {
        trc_journal_free(trc_host.journal);
        trc_host.journal = NULL;
    }
    return rc;
}

/* Workers and cores are counted by now, and nobody has been forked. */
static void preinit_apps(void) {
    struct trc_journal_config config = {
        .workers = uwsgi.numproc > 0 ? (unsigned)uwsgi.numproc : 1,
        .cores = uwsgi.cores > 0 ? (unsigned)uwsgi.cores : 1,
        .exporters = trc_host.settings.exporter_count,
        .ring_bytes = trc_host.settings.journal_bytes,
    };
    int rc = make_shared(&config);
    trc_headers_prepare(config.cores);
    if (rc) {
        /* Tracing must not keep a server from starting that would run without it. */
        trc_log(
            "no memory for the journal (%u workers of tracing-journal-size = %zu): %s; not "
            "tracing",
            config.workers, config.ring_bytes, strerror(-rc));
        return;
    }
    trc_host.tracer.journal = trc_host.journal;
    if (trc_host.settings.disabled)
        atomic_store(trc_journal_enabled(trc_host.journal), 0);
}

/* --- A worker --------------------------------------------------------------------------------- */

static void post_fork(void) {
    if (!trc_host.journal || uwsgi.mywid < 1 || uwsgi.muleid > 0 || uwsgi.i_am_a_spooler ||
        (unsigned)uwsgi.mywid > trc_journal_config(trc_host.journal)->workers)
        return;
    struct trc_tracer *tracer = &trc_host.tracer;
    tracer->worker = (unsigned)uwsgi.mywid - 1;
    trc_journal_recover(trc_host.journal, tracer->worker, trc_clock_mono_ns());
    int rc = trc_tracer_seed(tracer);
    if (rc) {
        trc_log("worker %d does not trace: no random numbers: %s", uwsgi.mywid, strerror(-rc));
        return;
    }
    if (!start_reporters(tracer->worker))
        return;
    start_poller(tracer->worker);
    worker_pid = getpid();
    trc_host.active = true;
}

static void stop_tracing(uint64_t deadline) {
    unsigned worker = trc_host.tracer.worker;
    (void)trc_poller_stop(deadline);
    if (uwsgi.threads > 1) {
        /* The other cores serve on while we wait, and are traced; what they have open when the
         * process is gone is ended by whoever comes after. */
        trc_reporters_stop(deadline);
        trc_host.active = false;
        return;
    }
    trc_host.active = false;
    for (unsigned core = 0; core < trc_journal_config(trc_host.journal)->cores; core++)
        trc_journal_close_slot(trc_host.journal, worker, core, TRC_OUTCOME_KILLED,
                               trc_clock_mono_ns());
    trc_reporters_stop(deadline);
}

/* May run in a signal handler, in the middle of a request. */
static void at_exit(void) {
    if (!trc_host.active || worker_pid != getpid())
        return;
    /* A second signal would end the process in the middle of the flush: between a send and its note
     * in the journal, so that the spans went out again. The wait below is bounded; SIGKILL is not
     * asked. */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    stop_tracing(trc_clock_mono_ns() + trc_host.settings.exit_timeout_ns);
    if (!uwsgi.master_process) { /* nobody comes after us */
        export_leftovers(trc_host.tracer.worker, trc_host.tracer.worker);
        log_accounts((int)trc_host.tracer.worker);
    }
}

__attribute__((visibility("default"))) struct uwsgi_plugin tracing_plugin = {
    .name = "tracing",
    .options = uwsgi_options,
    .on_load = on_load,
    .init = init,
    .post_init = post_init,
    .preinit_apps = preinit_apps,
    .post_fork = post_fork,
    .atexit = at_exit,
    .master_cleanup = master_cleanup,
};
