/* SPDX-License-Identifier: MIT
 *
 * The plugin as uWSGI sees it: its options, and who acts at each moment of a process's life.
 *
 *   master   on_load   log variables, routes   worker   post_fork  worker.c
 *            init      options and environment          (requests) hooks.c
 *            post_init hooks into the sockets           atexit     worker.c
 *            preinit   instance.c, and RPC functions
 *            cycle     instance.c, metrics.c
 *            harakiri  instance.c
 *            cleanup   instance.c
 *
 * Nothing that belongs to a process is made before the fork: the master makes the mapping and no
 * thread, no socket, no id.
 */
#include "host.h"
#include "rpc.h"
#include "tracing/log.h"
#include "tracing/reporter.h"
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

struct host trc_host;

static struct trc_options options;

static void log_line(const char *line) {
    uwsgi_log("%s", line);
}

/* --- Options ---------------------------------------------------------------------------------- */

static void take_option(char *name, char *value, void *data) {
    enum trc_option option = (enum trc_option)(intptr_t)data;
    char shown[161];
    if (trc_options_add(&options, option, value ? value : "true")) {
        trc_settings_show(option, trc_slice_of(value), shown, sizeof(shown));
        trc_log("%s = %s: given too often (allowed: %d times)", name, shown, TRC_OPTION_VALUES_MAX);
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

/* --- Startup ---------------------------------------------------------------------------------- */

static void on_load(void) {
    trc_log_to(log_line);
    trc_logvars_register();
    trc_route_register();
    trc_check_register();
}

/* Tracing must not keep a server from starting that would run without it. */
static void give_up(const char *what) {
    trc_log("no memory for %s; not tracing", what);
    trc_host.given_up = true;
}

/* libcurl is made ready only for those who use it. */
static void init_http(const struct trc_settings *settings) {
    bool wanted = settings->sampler.type == TRC_SAMPLER_REMOTE;
    for (unsigned i = 0; i < settings->exporter_count; i++)
        wanted = wanted || settings->exporter[i].kind->http;
    if (wanted && trc_http_init())
        give_up("libcurl");
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
    tracer->operation = settings->operation;
    tracer->query = settings->query;
    tracer->client = settings->client;
    tracer->capture = settings->capture[TRC_REQUEST];
    tracer->capture_count = settings->capture_count[TRC_REQUEST];
    if (trc_tracer_init(tracer, settings->extract, settings->inject)) {
        uwsgi_log("[tracing] tracing-extract, tracing-inject: too many formats\n");
        exit(1);
    }
    tracer->sampler = settings->sampler;
    tracer->trust = settings->trust;
    tracer->keep = settings->keep;
    tracer->keep_slow_ns = settings->keep_slow_ns;
    tracer->baggage_tags = settings->baggage_tag;
    tracer->baggage_tag_count = settings->baggage_tag_count;
    tracer->wake = trc_reporters_wake;
}

int trc_host_configure(void) {
    static bool done;
    static char cwd[PATH_MAX]; /* the service may be named after it */
    char error[TRC_ERROR_LINE_MAX];
    int rc = 0;
    if (!done)
        rc = trc_settings_make(&options, uwsgi.chdir ? uwsgi.chdir : getcwd(cwd, sizeof(cwd)),
                               &trc_host.settings, error);
    if (rc == -EINVAL)
        trc_log("%s", error); /* one line, whatever it quotes */
    else if (rc)
        give_up("the settings");
    done = rc == 0;
    return rc;
}

static int init(void) {
    int rc = trc_host_configure();
    hide_secrets();
    if (rc == -EINVAL)
        exit(1);
    if (rc)
        return 0;
    init_tracer(&trc_host.settings);
    init_http(&trc_host.settings);
    return 0;
}

/* Of uWSGI's core, and in none of its headers: what the letters of master-fifo do. */
extern void (*uwsgi_fifo_table[256])(int);

static void toggle(int signum) {
    bool on;
    (void)signum;
    if (!trc_host.control)
        trc_log("not tracing: T in master-fifo does nothing");
    else if (trc_control_toggle(trc_host.control, TRC_CHANGER_FIFO, &on))
        trc_log("T in master-fifo: " TRC_CONTROL_BUSY);
    else
        trc_log("T in master-fifo: now enabled=%s", on ? "true" : "false");
}

static void post_init(void) {
    /* Without it the children of the application would trace, too. */
    if (!trc_host.given_up && pthread_atfork(NULL, NULL, trc_worker_forget))
        give_up("what forks call");
    if (!trc_host.given_up) {
        trc_hooks_install();
        trc_metrics_register();
        trc_exceptions_install();
        trc_bridge_prepare();
    }
    uwsgi_fifo_table['T'] = toggle;
}

/* What was understood, once uWSGI has its log and nothing is in the way any more. */
static void tell_settings(void) {
    char line[8192]; /* eight URLs, and some; the log cuts it */
    struct trc_buf b = trc_buf_over(line, sizeof(line));
    trc_settings_summarize(&trc_host.settings, &b);
    trc_log("%.*s", (int)b.len, b.p);
}

static void preinit_apps(void) {
    trc_instance_make();
    if (trc_host.journal)
        tell_settings();
    trc_rpc_register();
}

static void master_cycle(void) {
    trc_instance_watch();
    trc_metrics_update();
}

__attribute__((visibility("default"))) struct uwsgi_plugin tracing_plugin = {
    .name = "tracing",
    .options = uwsgi_options,
    .on_load = on_load,
    .init = init,
    .post_init = post_init,
    .preinit_apps = preinit_apps,
    .post_fork = trc_worker_start,
    .atexit = trc_worker_end,
    .master_cycle = master_cycle,
    .harakiri = trc_instance_harakiri,
    .master_cleanup = trc_instance_end,
};
