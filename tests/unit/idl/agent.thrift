# SPDX-License-Identifier: MIT
#
# The agent's service, as in jaeger-idl's thrift/agent.thrift.

include "jaeger.thrift"
include "zipkincore.thrift"

service Agent {
  oneway void emitZipkinBatch(1: list<zipkincore.Span> spans)
  oneway void emitBatch(1: jaeger.Batch batch)
}
