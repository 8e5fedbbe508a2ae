/* SPDX-License-Identifier: MIT
 *
 * Where the bridge into Python is loaded, and what it tells. Called by plugin.c and by uWSGI.
 *
 * The moment is when applications have been loaded, in whichever process loads them: the master, so
 * that the workers share it, or with lazy-apps each worker. uWSGI calls a function by its name
 * then; its hook for plugins, postinit_apps, comes once and in the master only.
 */
#include "host.h"
#include "tracing/python.h"
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

bool trc_bridge_is_python(const struct uwsgi_plugin *language) {
    return language->name && strcmp(language->name, "python") == 0;
}

/* A child that the application forked is no worker, and has no core. */
static bool is_core(unsigned core) {
    return trc_host.active && core < (unsigned)uwsgi.cores;
}

static void tell_route(unsigned core, struct trc_slice route) {
    if (is_core(core))
        (void)trc_tracer_route(&trc_host.tracer, core, route);
}

bool trc_bridge_wants_exception(unsigned core) {
    return is_core(core) && trc_tracer_wants_exception(&trc_host.tracer, core);
}

void trc_bridge_tell_exception(unsigned core, const struct trc_python_exception *e) {
    if (trc_bridge_wants_exception(core))
        (void)trc_tracer_exception(&trc_host.tracer, core, e->type, e->message, e->stack);
}

/* Exported: uWSGI looks it up by name. Each application beyond the first has an interpreter of its
 * own, unless single-interpreter says otherwise. */
__attribute__((visibility("default"))) void trc_apps_loaded(void) {
    static const struct trc_python_host calls = {tell_route, trc_bridge_wants_exception,
                                                 trc_bridge_tell_exception};
    void *states[UINT8_MAX + 1];
    unsigned count = 0;
    for (int i = 0; i < uwsgi_apps_cnt && count <= UINT8_MAX; i++)
        if (trc_bridge_is_python(uwsgi.p[uwsgi_apps[i].modifier1]) && uwsgi_apps[i].interpreter)
            states[count++] = uwsgi_apps[i].interpreter;
    trc_python_load(&calls, states, count);
}

void trc_bridge_prepare(void) {
    if (trc_host.settings.python)
        uwsgi_string_new_list(&uwsgi.call_post_app, "trc_apps_loaded");
}
