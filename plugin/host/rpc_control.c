/* SPDX-License-Identifier: MIT
 *
 * RPC functions that switch: all workers at once, whichever process is called.
 */
#include "host.h"
#include "rpc.h"

static void enable(bool on, struct trc_buf *answer) {
    if (trc_host.journal)
        atomic_store(trc_journal_enabled(trc_host.journal), on);
    else
        trc_rpc_error(answer, "not tracing");
}

void trc_rpc_enable(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    (void)arg;
    (void)count;
    enable(true, answer);
}

void trc_rpc_disable(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    (void)arg;
    (void)count;
    enable(false, answer);
}
