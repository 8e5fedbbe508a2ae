/* SPDX-License-Identifier: MIT
 *
 * The control file: settings that are obeyed when it changes.
 *
 *   enabled=true|false         lines of name=value, blank ones, and comments that begin with #; as
 *   sampler=probabilistic:0.1  trc_change_set has them. A setting that the file does not mention
 *   exclude=/a,/b,agent:x      stays as it is, and so do all when anything in the file is wrong.
 *
 * Each worker looks at it, from a thread with all signals blocked and the name
 * trc-<worker>-control, four times a second: at the file that the path leads to, so that it may be
 * replaced by a rename, or a link on the way to it by another (Kubernetes' ConfigMaps). A version
 * counts when it was the same at two looks, so that one that is just being written is not read. One
 * worker puts it in force, for all, and says so in the log, or what is wrong with it.
 */
#ifndef TRACING_CONTROL_FILE_H
#define TRACING_CONTROL_FILE_H

#include "tracing/control.h"

#define TRC_CONTROL_FILE_MAX (64u * 1024u) /* bytes of a file */

struct trc_control_watch {
    struct trc_control *control; /* borrowed, outlives the thread */
    const char *path;            /* borrowed for good; NULL: there is no file to look at */
    unsigned worker;             /* 0... */
    void (*wake)(void);          /* called when somebody has asked for a flush */
};

/* Obeys the file as it is now, if it is there. Bad content is said, and changes nothing.
 * Thread: startup, in the master before the fork. */
void trc_control_file_read(struct trc_control *control, const char *path);

/* Starts this process's thread. Returns 0 or a negative errno with none running. Thread: startup of
 * a worker. */
int trc_control_watch_start(const struct trc_control_watch *config);

/* Ends it, and waits for that until `deadline_mono_ns`. Returns false if it did not end in time and
 * was left alone, for the process is about to exit. No-op without one. Thread: exit. */
bool trc_control_watch_stop(uint64_t deadline_mono_ns);

/* Forgets it without waiting: for the child of a fork. Async-signal-safe. Thread: any. */
void trc_control_watch_forget(void);

#endif
