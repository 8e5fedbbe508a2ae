# SPDX-License-Identifier: MIT
"""Zipkin's client for Python, py-zipkin, as caller and callee (see peer.py). It writes B3 in several
headers, and reads those and the single one."""
from py_zipkin.request_helpers import create_http_headers, extract_zipkin_attrs_from_headers
from py_zipkin.storage import Tracer
from py_zipkin.testing import MockTransportHandler

import peer


def span(tracer, **more):
    return tracer.zipkin_span(service_name="zipkin-peer", span_name="peer",
                              transport_handler=MockTransportHandler(), **more)


def ids(attrs):
    return {"trace": attrs.trace_id, "span": attrs.span_id, "sampled": attrs.is_sampled}


def caller(_name, sampled, bits, go):
    tracer = Tracer()
    with span(tracer, sample_rate=100.0 if sampled else 0.0, use_128bit_trace_id=bits == 128):
        headers = create_http_headers(tracer=tracer)
        return go({key: value for key, value in headers.items() if value}, ids(tracer.get_zipkin_attrs()))


def callee(_name, headers):
    # A server of Zipkin's joins the span it is told of; what it then does is that span's child.
    told = extract_zipkin_attrs_from_headers(headers)
    tracer = Tracer()
    with span(tracer, zipkin_attrs=told), span(tracer):
        attrs = tracer.get_zipkin_attrs()
        return {**ids(attrs), "parent": attrs.parent_span_id, "baggage": {}}


peer.serve(caller, callee)
