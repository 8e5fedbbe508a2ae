/* SPDX-License-Identifier: MIT
 *
 * RPC functions: what an application or an operator calls by name, from any language that uWSGI
 * runs (uwsgi.call in Python). rpc.c has their table, the files that have the functions are by
 * theme.
 */
#ifndef TRACING_HOST_RPC_H
#define TRACING_HOST_RPC_H

#include "tracing/buf.h"

/* Answers a call: arg[0..count), as many as the table allows, neither NUL-terminated nor text for
 * sure. What it appends to *answer is the answer; nothing means "ok", unless the table says that it
 * may be empty. answer->p is malloc'd: who needs more room puts another buffer in its place. Never
 * ends or holds up the process, whatever it is given. Thread: any, in any process of the instance.
 */
typedef void trc_rpc_function(const struct trc_slice *arg, unsigned count, struct trc_buf *answer);

/* Makes the answer "error: " and `why`, in place of what it was. */
void trc_rpc_error(struct trc_buf *answer, const char *why);

/* The same for an argument that is wrong: "error: not allowed (allowed: ...)". */
void trc_rpc_not_allowed(struct trc_buf *answer, const char *allowed);

/* Makes them all known to uWSGI. Thread: startup, in the master, when workers are counted. */
void trc_rpc_register(void);

/* --- rpc_control.c -----------------------------------------------------------------------------
 */

trc_rpc_function trc_rpc_enable, trc_rpc_disable, trc_rpc_sampler, trc_rpc_flush, trc_rpc_reset;

/* --- rpc_status.c ------------------------------------------------------------------------------
 */

trc_rpc_function trc_rpc_status;

/* --- rpc_span.c --------------------------------------------------------------------------------
 */

trc_rpc_function trc_rpc_tag, trc_rpc_log, trc_rpc_name, trc_rpc_baggage, trc_rpc_inject,
    trc_rpc_start, trc_rpc_end;

#endif
