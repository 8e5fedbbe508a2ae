# SPDX-License-Identifier: MIT
#
# The agent's service, as in jaeger-idl's thrift/agent.thrift, but for emitZipkinBatch, which needs
# the Zipkin model.

include "jaeger.thrift"

service Agent {
  oneway void emitBatch(1: jaeger.Batch batch)
}
