# SPDX-License-Identifier: MIT
"""OpenTelemetry for Python as caller and callee (see peer.py), in each format it has a propagator for."""
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.cloud_trace_propagator import CloudTraceFormatPropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.propagators.textmap import DefaultGetter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import peer

FORMATS = {
    "tracecontext": CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]),
    "jaeger": JaegerPropagator(),
    "b3": B3SingleFormat(),
    "b3multi": B3MultiFormat(),
    "xray": AwsXRayPropagator(),
    "gcp": CloudTraceFormatPropagator(),
}
TRACERS = {sampled: TracerProvider(sampler=ParentBased(sampler)).get_tracer("peer")
           for sampled, sampler in ((True, ALWAYS_ON), (False, ALWAYS_OFF))}


class Headers(DefaultGetter):
    """HTTP's: names in any case. The propagators of OpenTelemetry look for names in lower case."""

    def get(self, carrier, key):
        return carrier.get_all(key)

    def keys(self, carrier):
        return [key.lower() for key in carrier.keys()]


def ids(span):
    context = span.get_span_context()
    return {"trace": "%032x" % context.trace_id, "span": "%016x" % context.span_id,
            "sampled": context.trace_flags.sampled}


def caller(name, sampled, _bits, go):
    context = Context()
    for key, value in peer.BAGGAGE.items():
        context = baggage.set_baggage(key, value, context)
    span = TRACERS[sampled].start_span("call", context)
    headers = {}
    FORMATS[name].inject(headers, trace.set_span_in_context(span, context))
    answer = go(headers, ids(span))
    span.end()
    return answer


def callee(name, headers):
    context = FORMATS[name].extract(headers, Context(), Headers())
    parent = trace.get_current_span(context).get_span_context()
    span = TRACERS[False].start_span("called", context)  # by the caller's decision, or not at all
    span.end()
    return {**ids(span), "parent": "%016x" % parent.span_id, "baggage": dict(baggage.get_all(context))}


peer.serve(caller, callee)
