# SPDX-License-Identifier: MIT
#
# The agent's service, as in jaeger-idl's thrift/agent.thrift, but for emitZipkinBatch, which is in
# zipkincore.thrift.

include "jaeger.thrift"

service Agent {
  oneway void emitBatch(1: jaeger.Batch batch)
}
