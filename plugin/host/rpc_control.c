/* SPDX-License-Identifier: MIT
 *
 * RPC functions that switch: all workers at once, whichever process is called.
 */
#include "host.h"
#include "rpc.h"
#include "tracing/reporter.h"

static void change(enum trc_setting setting, struct trc_slice text, struct trc_buf *answer) {
    struct trc_change change = {0};
    const char *allowed;
    if (!trc_host.control)
        trc_rpc_error(answer, "not tracing");
    else if (trc_change_set(&change, trc_host.control, setting, text, &allowed))
        trc_rpc_not_allowed(answer, allowed);
    else if (trc_control_apply(trc_host.control, &change, TRC_CHANGER_RPC, NULL))
        trc_rpc_error(answer, TRC_CONTROL_BUSY);
}

void trc_rpc_enable(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    (void)arg;
    (void)count;
    change(TRC_SETTING_ENABLED, TRC_SLICE("true"), answer);
}

void trc_rpc_disable(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    (void)arg;
    (void)count;
    change(TRC_SETTING_ENABLED, TRC_SLICE("false"), answer);
}

void trc_rpc_sampler(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    (void)count;
    change(TRC_SETTING_SAMPLER, trc_slice_trim(arg[0]), answer);
}

void trc_rpc_reset(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    (void)arg;
    (void)count;
    if (!trc_host.control)
        trc_rpc_error(answer, "not tracing");
    else if (trc_control_reset(trc_host.control, TRC_CHANGER_RPC, NULL))
        trc_rpc_error(answer, TRC_CONTROL_BUSY);
}

/* Reporters of this worker at once, of others within a second: see start_control in
 * worker.c. */
void trc_rpc_flush(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    (void)arg;
    (void)count;
    if (!trc_host.control) {
        trc_rpc_error(answer, "not tracing");
        return;
    }
    trc_control_flush(trc_host.control);
    if (trc_host.active)
        trc_reporters_wake();
}
