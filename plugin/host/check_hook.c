/* SPDX-License-Identifier: MIT
 *
 * tracing-check in uWSGI: run as soon as all options are read, before uWSGI is a daemon, opens its
 * log, writes its pidfile or binds a socket, and ended without what uWSGI does at an exit. So it
 * can be asked beside a server that runs from the same ini.
 */
#include "check.h"
#include "host.h"
#include <grp.h>
#include <pwd.h>
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

static void check_ends(int status) __attribute__((noreturn));

/* What uWSGI does at a process's exit would take away pidfile and sockets of the server that may be
 * running, or start a fallback configuration. */
static void check_ends(int status) {
    fflush(stdout);
    _exit(status);
}

/* Whom uid and gid name, as uWSGI reads them: by name, or by number. */
static bool find_worker(uid_t *uid, gid_t *gid, const char **name) {
    const struct group *group = uwsgi.gidname ? getgrnam(uwsgi.gidname) : NULL;
    const struct passwd *user = uwsgi.uidname ? getpwnam(uwsgi.uidname) : NULL;
    *gid = group ? group->gr_gid : uwsgi.gid;
    *uid = user ? user->pw_uid : uwsgi.uid;
    *name = user ? user->pw_name : NULL;
    return (group || !uwsgi.gidname) && (user || !uwsgi.uidname);
}

static bool take_groups(gid_t gid, const char *name) {
    return setgid(gid) == 0 && (name ? initgroups(name, gid) : setgroups(0, NULL)) == 0;
}

/* What a worker can read and write is what counts, and it must own a file that is made here. */
static bool become_worker(void) {
    uid_t uid;
    gid_t gid;
    const char *name;
    if (!find_worker(&uid, &gid, &name))
        return false;
    if (getuid() == 0 && ((gid && !take_groups(gid, name)) || (uid && setuid(uid))))
        return false;
    return !uwsgi.chdir || chdir(uwsgi.chdir) == 0;
}

static int check(char *unused) {
    struct trc_resource resource;
    (void)unused;
    if (trc_host_configure())
        check_ends(1);
    if (!trc_host.settings.check)
        return 0;
    if (!become_worker()) {
        uwsgi_log("[tracing] tracing-check: cannot go to uid, gid or chdir of the workers\n");
        check_ends(1);
    }
    if (trc_http_init()) {
        uwsgi_log("[tracing] no memory for libcurl\n");
        check_ends(1);
    }
    int rc = trc_process_describe(&trc_host.settings, &resource);
    if (rc)
        uwsgi_log("[tracing] no random numbers: %s\n", strerror(-rc));
    check_ends(rc ? 1 : trc_check(&trc_host.settings, &resource));
}

void trc_check_register(void) {
    uwsgi_register_hook("tracing-check", check);
}

void trc_check_soon(void) {
    static bool done;
    if (!done)
        uwsgi_string_new_list(&uwsgi.hook_asap, uwsgi_str("tracing-check:"));
    done = true;
}
