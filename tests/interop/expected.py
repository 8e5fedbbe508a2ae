# SPDX-License-Identifier: MIT
"""What each request must look like as a span, by each wire. Used by roundtrip.py.

One table says what a span says, in either set of names; a wire says which set it has by default and
what it cannot carry as it is.
"""
from dataclasses import dataclass, field, replace


class ANY:  # a value that only the server knows
    pass


OPENTRACING, HTTP = {"opentracing"}, {"http"}
BOTH = OPENTRACING | HTTP

# Sets of names, key, type, and the value for what was served; None: the tag is not there.
TAGS = (
    (BOTH, "span.kind", "string", lambda s: "server"),
    (OPENTRACING, "component", "string", lambda s: "uwsgi"),
    (OPENTRACING, "http.method", "string", lambda s: s["method"]),
    (OPENTRACING, "http.url", "string", lambda s: "http://" + s["host"] + s["path"] + ("?" + s["query"] if s["query"] else "")),
    (OPENTRACING, "http.status_code", "int64", lambda s: s["status"]),
    (OPENTRACING, "peer.ipv4", "string", lambda s: s["peer"]),
    (HTTP, "http.request.method", "string", lambda s: s["method"]),
    (HTTP, "url.scheme", "string", lambda s: "http"),
    (HTTP, "url.path", "string", lambda s: s["path"]),
    (HTTP, "url.query", "string", lambda s: s["query"] or None),
    (HTTP, "server.address", "string", lambda s: s["host"].partition(":")[0]),
    (HTTP, "server.port", "int64", lambda s: int(s["host"].partition(":")[2])),
    (HTTP, "client.address", "string", lambda s: s["peer"]),
    (HTTP, "network.peer.address", "string", lambda s: s["peer"]),
    (HTTP, "network.protocol.version", "string", lambda s: "1.1"),
    (HTTP, "user_agent.original", "string", lambda s: s["agent"]),
    (HTTP, "http.response.status_code", "int64", lambda s: s["status"]),
    (HTTP, "http.response.body.size", "int64", lambda s: ANY if s["response_bytes"] is None else s["response_bytes"]),
    (HTTP, "http.request.body.size", "int64", lambda s: s["request_bytes"] or None),
    (HTTP, "error.type", "string", lambda s: str(s["status"]) if s["status"] >= 500 else None),
    (BOTH, "uwsgi.worker", "int64", lambda s: s.get("worker", ANY)),
    (BOTH, "uwsgi.core", "int64", lambda s: 0),
    (BOTH, "sampler.type", "string", lambda s: s.get("sampled_by")),
    (BOTH, "sampler.param", "bool", lambda s: True if "sampled_by" in s else None),
    (BOTH, "jaeger-debug-id", "string", lambda s: s.get("debug_id")),
    (BOTH, "user", "string", lambda s: s.get("user")),
)


@dataclass(frozen=True)
class Wire:
    names: set
    error: dict  # tags of a span that failed, whatever the names
    process: dict  # key: type, of what tells of the process ...
    identity: str = None  # ... and which of it no two workers have in common
    on_span: dict = field(default_factory=dict)  # the same, where it is told with each span
    text: bool = False  # all tags are text
    numbers: bool = True  # tags that are no text arrive
    debug: bool = True  # has the debug flag
    links: bool = True
    link_tags: object = None  # where links are tags: what tags, for trace and span
    state: bool = True  # has the tracestate
    renamed: dict = field(default_factory=dict)  # tags that the receiver has another name for
    added: dict = field(default_factory=dict)  # and those it makes of what is no tag


TEAM = {"team": "string"}  # as tests set tracing-tag
ERROR_STATUS = {"error": ("bool", True), "otel.status_code": ("string", "ERROR")}  # Jaeger's, of OTLP's status

JAEGER = Wire(
    OPENTRACING, {"error": ("bool", True)},
    {"hostname": "string", "ip": "string", "jaeger.version": "string", "process.pid": "int64", "client-uuid": "string",
     **TEAM}, "client-uuid")
OTLP = Wire(
    HTTP, ERROR_STATUS, {"host.name": "string", "process.pid": "int64", "service.instance.id": "string", **TEAM},
    "service.instance.id", debug=False)

WIRES = {
    "compact": JAEGER,
    "binary": JAEGER,
    "batch": JAEGER,
    "otlp": OTLP,
    "otlp-json": OTLP,
    # As OpenTelemetry's schema reads them, before Jaeger makes tags of the status.
    "otlp-protobuf-schema": replace(OTLP, error={"otel.status_code": ("string", "ERROR")}),
    "otlp-json-schema": replace(OTLP, error={"otel.status_code": ("string", "ERROR")}),
    "zipkin-thrift": Wire(
        OPENTRACING, {"error": ("bool", True)}, {"hostname": "string", "jaeger.version": "string", "ip": "string"},
        on_span=TEAM, links=False, state=False, added={"peer.service": ("string", "")},
        link_tags=lambda trace, span: {"link.trace_id": "%032x" % trace, "link.span_id": "%016x" % span}),
    # As Zipkin reads it: what is no text it leaves out.
    "zipkin-thrift-zipkin": Wire(
        OPENTRACING, {}, {"ip": "string"}, numbers=False, links=False, state=False,
        on_span={"jaeger.hostname": "string", "jaeger.version": "string", **TEAM},
        link_tags=lambda trace, span: {"link.trace_id": "%032x" % trace, "link.span_id": "%016x" % span}),
    # Zipkin's JSON, as Jaeger reads it (the receiver of OpenTelemetry's collector).
    "zipkin-json": Wire(
        OPENTRACING, ERROR_STATUS, {"process.pid": "string"}, on_span={"hostname": "string", **TEAM}, text=True,
        debug=False, state=False, renamed={"peer.ipv4": "net.peer.ip", "network.peer.address": "net.peer.ip"},
        added={"net.host.ip": ("string", ANY)}),
    # The same, as Zipkin reads it.
    "zipkin": Wire(
        OPENTRACING, {"error": ("string", "true")}, {"ip": "string"}, text=True, links=False, state=False,
        renamed={"network.peer.address": "peer.ipv4"}, on_span={"hostname": "string", "process.pid": "string", **TEAM},
        link_tags=lambda trace, span: {"otlp.link.0": "%032x|%016x||{}|0" % (trace, span)}),
}


def as_text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def tags_of(served, wire, names):
    """{key: (type, value)} of one request's span."""
    tags = {**wire.added, **{key: (kind, ANY) for key, kind in wire.on_span.items()}}
    for sets, key, kind, value_of in TAGS:
        value = value_of(served)
        if not sets & names or value is None or not (wire.numbers or kind == "string"):
            continue
        if wire.text:
            kind, value = "string", value if value is ANY else as_text(value)
        tags[wire.renamed.get(key, key)] = (kind, value)
    if served["status"] >= 500:
        tags.update(wire.error)
    if "link" in served and wire.link_tags:
        tags.update((key, ("string", value)) for key, value in wire.link_tags(*link_of(served)).items())
    if "state" in served and wire.state:
        tags["w3c.tracestate"] = ("string", served["state"])
    return tags


def link_of(served):
    return int(served["link"][0], 16), int(served["link"][1], 16)
