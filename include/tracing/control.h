/* SPDX-License-Identifier: MIT
 *
 * Control: what can be switched while the instance runs, in memory that all processes share.
 *
 * Whether anything is traced, the sampler, and what is excluded. The mapping is made before the
 * fork, from the configuration, so that a setting outlives each worker and no reload. Whoever
 * changes it publishes all of it at once: one of several copies is written and then a word turned
 * to it, so that a publisher killed in between leaves the old settings whole. The same word says
 * whether tracing is on: a request loads it once.
 *
 * A request decides by its core's own copy, which it brings up to date when the word has changed: a
 * load and a comparison for each request, and after that plain memory that nobody else writes.
 */
#ifndef TRACING_CONTROL_H
#define TRACING_CONTROL_H

#include "tracing/exclude.h"
#include "tracing/sampler.h"

/* What is in force. Flat, but for the URL of a remote sampler, which is the configuration's. */
struct trc_rules {
    struct trc_sampler sampler;
    bool enabled;
    struct trc_exclude exclude;
};

enum trc_setting {
    TRC_SETTING_ENABLED,
    TRC_SETTING_SAMPLER,
    TRC_SETTING_EXCLUDE,
    TRC_SETTING_COUNT
};

enum trc_changer {
    TRC_CHANGER_OPTION,
    TRC_CHANGER_FILE,
    TRC_CHANGER_FIFO,
    TRC_CHANGER_RPC,
    TRC_CHANGER_COUNT
};

extern const struct trc_slice trc_setting_names[TRC_SETTING_COUNT]; /* enabled, sampler, exclude */
extern const struct trc_slice
    trc_changer_names[TRC_CHANGER_COUNT]; /* option, tracing-control, fifo, rpc */

/* All there is to know: what is in force, what each setting was before its last change, and who
 * changed it when (OPTION: it is as configured since the start, and was the same before). */
struct trc_control_state {
    struct trc_rules now, before;
    struct {
        enum trc_changer by;
        uint64_t at_unix_ns;
    } change[TRC_SETTING_COUNT];
};

struct trc_control; /* the mapping */

/* Makes the mapping with *configured in force. `account`: the rate limiter's, in memory of the same
 * life; a debt made under a lower rate is forgiven when a higher one comes into force. Returns 0
 * and *out, owned by the caller, or a negative errno. Thread: startup, in the master before the
 * fork. */
int trc_control_new(struct trc_control **out, const struct trc_rules *configured,
                    _Atomic uint64_t *account);

/* Unmaps it from this process. NULL is fine. Thread: startup or exit. */
void trc_control_free(struct trc_control *c);

/* What the configuration said. Thread: any. */
const struct trc_rules *trc_control_configured(const struct trc_control *c);

/* --- Requests ------------------------------------------------------------------------------ */

#define TRC_CONTROL_ON UINT64_C(1)

/* The word that changes with each publication; its low bit, TRC_CONTROL_ON, is the switch. Lives in
 * the mapping. Thread: any. */
const _Atomic uint64_t *trc_control_word(const struct trc_control *c);

/* A core's own copy; zeroed at first. Written by the thread that serves the core. */
struct trc_core_rules {
    _Alignas(64) uint64_t word; /* of the publication that it is a copy of */
    struct trc_rules now;
};

/* Makes *own a copy of what is in force. Thread: request. */
void trc_control_copy(const struct trc_control *c, struct trc_core_rules *own);

/* The same, if `word`, as just read, says that it is not. Thread: request. */
static inline void trc_control_follow(const struct trc_control *c, struct trc_core_rules *own,
                                      uint64_t word) {
    if (__builtin_expect(own->word != word, 0))
        trc_control_copy(c, own);
}

/* --- Switching ----------------------------------------------------------------------------- */

/* Settings to put in force at once. */
struct trc_change {
    unsigned settings; /* a set: 1u << enum trc_setting; the others stay */
    struct trc_rules to;
};

/* Reads `text` as the value of one more setting of *change:
 *   enabled   true or false
 *   sampler   as trc_sampler_parse; remote if, and as, the configuration has it
 *   exclude   as trc_exclude_add; a second one of the same change adds to the first
 * Returns 0; or -EINVAL with *change untouched and *allowed saying what would do.
 * Thread: any but request. */
int trc_change_set(struct trc_change *change, const struct trc_control *c, enum trc_setting setting,
                   struct trc_slice text, const char **allowed);

#define TRC_CHANGE_WHY_MAX 512 /* of a line that says what is wrong, with its NUL */

/* Reads lines of "name=value", blank lines, and comments that begin with #, into a zeroed *change.
 * Returns 0; or -EINVAL with one line in why[] that names the line and what is allowed, and *change
 * is not to be used. Thread: any but request. */
int trc_change_parse(struct trc_change *change, const struct trc_control *c,
                     struct trc_slice content, char why[TRC_CHANGE_WHY_MAX]);

/* Appends the text of a setting, as trc_change_set takes it. Thread: any but request. */
void trc_rules_put(struct trc_buf *b, const struct trc_rules *rules, enum trc_setting setting);

#define TRC_SETTING_TEXT_MAX (TRC_EXCLUDE_BYTES + TRC_EXCLUDE_MAX * 8) /* bytes of any of them */

/* Put in force what they say, for all workers, each in one publication. What is the same as before
 * is no change: *changed, if not NULL, gets the set of settings that are another now. Return 0, or
 * -EBUSY when another process has been changing something for too long (it was stopped), and
 * nothing is changed. Never wait longer than a tenth of a second. Thread: any but request. */
int trc_control_apply(struct trc_control *c, const struct trc_change *change, enum trc_changer by,
                      unsigned *changed);
int trc_control_toggle(struct trc_control *c, enum trc_changer by, bool *on);
int trc_control_reset(struct trc_control *c, enum trc_changer by, unsigned *changed);

/* A version of a file: what tells it from the next one. */
struct trc_file_version {
    uint64_t device, inode, size, modified_ns, changed_ns;
};

/* As trc_control_apply with TRC_CHANGER_FILE, for the first of all processes that comes with this
 * version; the others get -EALREADY. `change` NULL: the version is not to be used, and this is
 * noted. Thread: any but request. */
int trc_control_apply_version(struct trc_control *c, const struct trc_file_version *version,
                              const struct trc_change *change, unsigned *changed);

/* Asks the reporters of all workers to send what there is. trc_control_flushes: how often that has
 * been asked, for who wakes them. Thread: any. */
void trc_control_flush(struct trc_control *c);
uint64_t trc_control_flushes(const struct trc_control *c);

/* A whole copy. Lock-free. Thread: any but request (it is 5 KB). */
void trc_control_read(const struct trc_control *c, struct trc_control_state *out);

#endif
