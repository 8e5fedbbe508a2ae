# SPDX-License-Identifier: MIT
"""OTLP as its own project's schema reads it: opentelemetry-proto from PyPI, over bodies that
recorder.py kept. A back end like those of backends.py; used by roundtrip.py, in the venv.
"""
import base64
import json
import os

from google.protobuf.json_format import Parse
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TYPES = {"string_value": "string", "bool_value": "bool", "int_value": "int64", "double_value": "float64"}
HAS_IS_REMOTE, IS_REMOTE, SAMPLED = 0x100, 0x200, 0x1


def typed(attributes):
    found = {}
    for attribute in attributes:
        kind = attribute.value.WhichOneof("value")
        assert attribute.key not in found, "attribute %s is there twice" % attribute.key
        found[attribute.key] = (TYPES[kind], getattr(attribute.value, kind))
    return found


def number(bytes_, length):
    assert len(bytes_) == length, "an id of %d bytes" % len(bytes_)
    return int.from_bytes(bytes_, "big")


def check_known(message):
    """Every field of it, and of what is in it, is one of the schema."""
    unknown = UnknownFieldSet(message)
    assert len(unknown) == 0, "%s has a field %d" % (message.DESCRIPTOR.name, unknown[0].field_number)
    for field, value in message.ListFields():
        if field.message_type:
            for item in value if hasattr(value, "append") else [value]:
                check_known(item)


def read_protobuf(body):
    request = ExportTraceServiceRequest.FromString(body)
    check_known(request)
    return request


def read_json(body):
    """OTLP's JSON differs from protobuf's own in that ids are hexadecimal, not base64 (opentelemetry-proto
    docs/specification.md). An unknown field is an error to Parse."""
    def convert(object_):
        for key in ("traceId", "spanId", "parentSpanId"):
            if key in object_:
                object_[key] = base64.b64encode(bytes.fromhex(object_[key])).decode()
        return object_
    return Parse(json.dumps(json.loads(body, object_hook=convert)), ExportTraceServiceRequest())


class Recorded:
    def __init__(self, folder, read):
        self.folder, self.read = folder, read

    def spans(self, service):
        for name in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, name), "rb") as file:
                request = self.read(file.read())
            for of_resource in request.resource_spans:
                process = typed(of_resource.resource.attributes)
                if process["service.name"] != ("string", service):
                    continue
                for of_scope in of_resource.scope_spans:
                    assert of_scope.scope.name and of_scope.scope.version
                    yield from (self.span(span, process) for span in of_scope.spans)

    @staticmethod
    def span(span, process):
        tags = typed(span.attributes)
        assert span.kind == Span.SPAN_KIND_SERVER, "kind %d" % span.kind
        tags["span.kind"] = ("string", "server")
        assert span.status.code in (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR), span.status
        if span.status.code == Status.STATUS_CODE_ERROR:
            tags["otel.status_code"] = ("string", "ERROR")
        if span.trace_state:
            tags["w3c.tracestate"] = ("string", span.trace_state)
        parent = number(span.parent_span_id, 8) if span.parent_span_id else 0
        wanted = SAMPLED | HAS_IS_REMOTE | (IS_REMOTE if parent else 0)
        assert span.flags & ~0x2 == wanted, "flags are %#x" % span.flags  # 0x2: W3C's random trace id
        assert not span.events and not span.dropped_attributes_count
        return {
            "trace": number(span.trace_id, 16), "span": number(span.span_id, 8), "parent": parent,
            "links": [(number(link.trace_id, 16), number(link.span_id, 8)) for link in span.links],
            "name": span.name, "service": process["service.name"][1],
            "start_us": span.start_time_unix_nano // 1000,
            "duration_us": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
            "debug": None, "tags": tags, "process": process,
        }

    def list_differences(self, _service, _names):
        return []
