/* SPDX-License-Identifier: MIT
 *
 * The RPC function that shows the status. uWSGI's answers are as long as they need be: over a
 * socket, those of more than 64 KiB are another kind of packet (its plugins/rpc).
 */
#include "host.h"
#include "rpc.h"
#include "tracing/status.h"
#include <stdlib.h>

void trc_rpc_status(const struct trc_slice *arg, unsigned count, struct trc_buf *answer) {
    const struct trc_settings *settings = &trc_host.settings;
    const struct trc_status status = {
        .service = settings->service,
        .control = trc_host.control,
        .exporter = settings->exporter,
        .extract = settings->extract,
        .inject = settings->inject,
        .journal = trc_host.journal,
        .journal_path = settings->journal_path,
        .strategies = trc_host.tracer.strategies,
    };
    size_t len;
    (void)arg;
    (void)count;
    char *json = trc_host.journal ? trc_status_json(&status, &len) : NULL;
    if (!json) {
        trc_rpc_error(answer, trc_host.journal ? "no memory" : "not tracing");
        return;
    }
    free(answer->p);
    *answer = (struct trc_buf){json, len, len, false};
}
