/* SPDX-License-Identifier: MIT
 *
 * An instance, from its master's side: what its workers share, made before there are any, and what
 * is left when they are gone. Called by plugin.c at the moments uWSGI gives, and by worker.c where
 * there is no master.
 */
#include "host.h"
#include "tracing/clock.h"
#include "tracing/control_file.h"
#include "tracing/log.h"
#include "tracing/reporter.h"
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

/* The master looks after dead workers once a second. */
#define JUST_NOW_NS (2 * TRC_NS_PER_S)

/* What of tracing-exit-timeout the workers that ended just now have not waited: the end of an
 * instance is to wait for its collectors once, not once in its workers and again in its master. */
static uint64_t time_left(uint64_t now) {
    uint64_t all = trc_host.settings.exit_timeout_ns;
    uint64_t waited =
        trc_journal_waited(trc_host.journal, now > JUST_NOW_NS ? now - JUST_NOW_NS : 1);
    return waited < all ? all - waited : 0;
}

static bool has_queued(unsigned worker) {
    struct trc_accounts a;
    bool queued = false;
    for (unsigned e = 0; e < trc_host.settings.exporter_count && !queued; e++) {
        trc_journal_accounts(trc_host.journal, (int)worker, e, &a);
        queued = a.queued > 0;
    }
    return queued;
}

/* Looks at a dead child, of all or of the one, and leaves it to uWSGI. False if there is none. */
static bool peek(idtype_t which, pid_t pid, siginfo_t *dead) {
    dead->si_pid = 0; /* waitid(2): how to tell when WNOHANG found nobody */
    return waitid(which, (id_t)pid, dead, WEXITED | WNOHANG | WNOWAIT) == 0 && dead->si_pid != 0;
}

/* A worker that was told to end and took too long: as in uWSGI's uwsgi_master_check_mercy, which
 * kills it between this turn's look and its waitpid. */
static bool gets_no_mercy(const struct uwsgi_worker *worker) {
    return worker->pid > 0 && worker->cursed_at && uwsgi_now() > worker->no_mercy_at;
}

/* For who opens the journal's file after us. A master that became a daemon when it had made the
 * journal has no lock yet. */
static void show_life(uint64_t now) {
    static pid_t holder;
    if (holder != getpid()) {
        holder = getpid();
        (void)trc_journal_hold(trc_host.journal, TRC_HOLDER_MASTER);
    }
    trc_journal_alive(trc_host.journal, now);
}

void trc_instance_watch(void) {
    siginfo_t dead;
    if (!trc_host.journal)
        return;
    bool any = peek(P_ALL, 0, &dead); /* one system call when nobody died */
    uint64_t now = trc_clock_mono_ns();
    show_life(now);
    for (unsigned w = 0; w < trc_journal_config(trc_host.journal)->workers; w++) {
        const struct uwsgi_worker *worker = &uwsgi.workers[w + 1];
        if (any && worker->pid > 0 && peek(P_PID, worker->pid, &dead))
            trc_journal_note_death(
                trc_host.journal, w,
                dead.si_code == CLD_EXITED ? TRC_DEATH_EXIT : (unsigned)dead.si_status, now);
        else if (gets_no_mercy(worker))
            trc_journal_note_death(trc_host.journal, w, SIGKILL, now);
    }
}

void trc_instance_harakiri(int wid) {
    if (trc_host.journal)
        trc_journal_note_harakiri(trc_host.journal, (unsigned)wid - 1, trc_clock_mono_ns());
}

void trc_instance_finish(unsigned first, unsigned last) {
    uint64_t now = trc_clock_mono_ns(), deadline = now + time_left(now);
    for (unsigned w = first; w <= last; w++) /* all, whether there is time to send them or not */
        trc_journal_recover(trc_host.journal, w, now);
    for (unsigned w = first; w <= last; w++) {
        if (!has_queued(w))
            continue;
        /* Each its share: a collector that hangs must not take the time of those that live, which
         * wait for what later workers left. */
        now = trc_clock_mono_ns();
        if (now >= deadline || !trc_worker_start_reporters(w) ||
            trc_reporters_stop(now + (deadline - now) / (last - w + 1)))
            return; /* the accounts tell what is left */
    }
}

void trc_instance_log_accounts(int worker) {
    for (unsigned e = 0; e < trc_host.settings.exporter_count; e++) {
        struct trc_accounts a;
        char error[TRC_LAST_ERROR_MAX];
        trc_journal_accounts(trc_host.journal, worker, e, &a);
        bool failed = trc_journal_last_error(trc_host.journal, worker, e, error);
        const char *left = trc_host.settings.journal_path ? ", what is queued stays in the journal"
                                                          : ", what was queued is gone";
        trc_log("%s: sampled %" PRIu64 " = exported %" PRIu64 " + failed %" PRIu64
                " + dropped %" PRIu64 " + lost %" PRIu64 " + queued %" PRIu64 " (recovered %" PRIu64
                ", truncated %" PRIu64 ", context errors %" PRIu64 ", retried %" PRIu64
                ", rejected %" PRIu64 ", excluded %" PRIu64 ")%s%s%s",
                trc_host.settings.exporter[e].url, a.sampled, a.exported, a.failed, a.dropped,
                a.lost, a.queued, a.recovered, a.truncated, a.context_errors, a.retried, a.rejected,
                a.excluded, a.queued ? left : "", failed ? ", last error: " : "", error);
    }
}

/* The end of an instance in its master, all workers dead: uWSGI calls it at exit and before the
 * exec of a reload, and at exit of what the master has forked, too. */
void trc_instance_end(void) {
    static bool done;
    bool ran = uwsgi.numproc > 0 && uwsgi.workers[1].last_spawn > 0;
    if (done || !trc_host.journal || !ran || getpid() != uwsgi.workers[0].pid)
        return;
    done = true;
    trc_instance_finish(0, trc_journal_config(trc_host.journal)->workers - 1);
    trc_instance_log_accounts(-1);
}

/* What an earlier instance had left: in one line, if anything. */
static void tell_found(const char *path, const struct trc_journal_found *found, const char *why) {
    if (found->set_aside)
        trc_log("tracing-journal = %s: set aside as %s.bad: %s", path, path, why);
    else if (found->taken + found->lost + found->dropped + found->unasked)
        trc_log("tracing-journal = %s: took over %" PRIu64 " spans, %" PRIu64
                " of them of requests that were running; %" PRIu64 " were damaged, %" PRIu64
                " had no room, %" PRIu64 " were for exporters that are gone",
                path, found->taken, found->running, found->lost, found->dropped, found->unasked);
}

/* Where privileges are dropped later, the next start may be without them. uWSGI looks names up when
 * it drops. */
static void give_away(struct trc_journal_file *file) {
    if (geteuid() != 0 || uwsgi.master_as_root)
        return;
    const struct passwd *user = uwsgi.uidname ? getpwnam(uwsgi.uidname) : NULL;
    const struct group *group = uwsgi.gidname ? getgrnam(uwsgi.gidname) : NULL;
    if (user || uwsgi.uid)
        file->owner = user ? user->pw_uid : uwsgi.uid;
    if (group || uwsgi.gid)
        file->group = group ? group->gr_gid : uwsgi.gid;
}

/* Who asked for a file has the reason why there is none, and no server: unless that is a lack of
 * memory, which keeps none from starting. */
static int open_journal(const struct trc_journal_config *config) {
    struct trc_journal_file file = {trc_host.settings.journal_path, (uid_t)-1, (gid_t)-1, {0}};
    give_away(&file);
    for (unsigned e = 0; e < config->exporters; e++)
        file.exporter_id[e] = trc_exporter_id(trc_host.settings.exporter[e].url);
    struct trc_journal_found found;
    char why[TRC_JOURNAL_TEXT_MAX];
    int rc = trc_journal_open(&trc_host.journal, config, &file, &found, why);
    if (rc == -ENOMEM)
        return rc;
    if (rc) {
        trc_log("tracing-journal = %s: %s", file.path, why);
        exit(1);
    }
    tell_found(file.path, &found, why);
    return 0;
}

/* A new instance begins as it is configured, whatever the one before was switched to. */
static int make_control(unsigned cores) {
    struct trc_rules rules = {
        .sampler = trc_host.settings.sampler,
        .enabled = !trc_host.settings.disabled,
        .exclude = trc_host.settings.exclude,
    };
    void *memory = mmap(NULL, cores * sizeof(*trc_host.rules), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* each worker's own after the fork */
    if (memory == MAP_FAILED)
        return -errno;
    trc_host.rules = trc_host.tracer.rules = memory;
    return trc_control_new(&trc_host.control, &rules, trc_journal_limiter(trc_host.journal));
}

static int make_shared(const struct trc_journal_config *config) {
    const struct trc_sampler *sampler = &trc_host.settings.sampler;
    int rc = trc_host.settings.journal_path ? open_journal(config)
                                            : trc_journal_new(&trc_host.journal, config);
    if (rc == 0)
        rc = trc_operations_new(&trc_host.tracer.operations);
    if (rc == 0 && sampler->type == TRC_SAMPLER_REMOTE)
        rc = trc_strategies_new(&trc_host.tracer.strategies, sampler->param);
    if (rc == 0)
        rc = make_control(config->cores);
    if (rc) {
        trc_journal_free(trc_host.journal);
        trc_host.journal = NULL;
    }
    return rc;
}

/* Workers and cores are counted by now, and nobody has been forked. */
void trc_instance_make(void) {
    if (trc_host.given_up)
        return;
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
    if (trc_host.settings.control_path)
        trc_control_file_read(trc_host.control, trc_host.settings.control_path);
}
