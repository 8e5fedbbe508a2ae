/* SPDX-License-Identifier: MIT
 *
 * What a collector answers to OTLP over HTTP: ExportTraceServiceResponse, as JSON or as protobuf.
 *
 *   ExportTraceServiceResponse { 1 partial_success { 1 rejected_spans int64, 2 error_message } }
 *
 * (opentelemetry-proto, collector/trace/v1/trace_service.proto). Rejected spans are not to be sent
 * again; a message without any is a warning (docs/specification.md, "Partial Success").
 */
#ifndef TRACING_OTLP_ANSWER_H
#define TRACING_OTLP_ANSWER_H

#include "tracing/sender.h"

/* Both as trc_http_wire.answer says. An unknown field is passed over; result->why is printable. */
int trc_otlp_answer_json(struct trc_slice body, struct trc_send_result *result);
int trc_otlp_answer_protobuf(struct trc_slice body, struct trc_send_result *result);

#endif
