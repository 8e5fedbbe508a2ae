# SPDX-License-Identifier: MIT
"""Jaeger's Thrift types for python3-thrift, written by hand from jaeger-idl's jaeger.thrift and
zipkincore.thrift.

Used by thrift_spans.py. They are what `thrift --gen py` would make, less its 1,000 lines: a list of
fields for each struct. Reading is python3-thrift's alone (TBase.read), so our encoders are judged by
somebody else's decoder. Strings are read as bytes, because its C part would put U+FFFD for what is
not UTF-8 and say nothing.
"""
from thrift.protocol.TBase import TBase
from thrift.Thrift import TType

REQUIRED, OPTIONAL = True, False
TAG_TYPES = ('STRING', 'DOUBLE', 'BOOL', 'LONG', 'BINARY')
TAG_FIELDS = ('vStr', 'vDouble', 'vBool', 'vLong', 'vBinary')


class Malformed(Exception):
    """A message that python3-thrift read, but that breaks the IDL or Jaeger's rules."""


def struct(name, *fields):
    """A TBase class from (id, required, thrift type, name, type arguments)."""
    spec = [None] * (max(f[0] for f in fields) + 1)
    for number, _, ttype, field, args in fields:
        spec[number] = (number, ttype, field, args, None)

    def init(self, **values):
        for f in fields:
            setattr(self, f[3], values.get(f[3]))

    def check(self):
        for number, required, _, field, _ in fields:
            if required and getattr(self, field) is None:
                raise Malformed('%s: required field %d %s is missing' % (name, number, field))

    return type(name, (TBase,), {
        '__slots__': tuple(f[3] for f in fields), '__init__': init, 'check': check,
        'thrift_spec': tuple(spec)})


def of(cls):
    return [cls, cls.thrift_spec]


def list_of(cls):
    return (TType.STRUCT, of(cls), False)


Tag = struct(
    'Tag',
    (1, REQUIRED, TType.STRING, 'key', 'BINARY'),
    (2, REQUIRED, TType.I32, 'vType', None),
    (3, OPTIONAL, TType.STRING, 'vStr', 'BINARY'),
    (4, OPTIONAL, TType.DOUBLE, 'vDouble', None),
    (5, OPTIONAL, TType.BOOL, 'vBool', None),
    (6, OPTIONAL, TType.I64, 'vLong', None),
    (7, OPTIONAL, TType.STRING, 'vBinary', 'BINARY'))

Log = struct(
    'Log',
    (1, REQUIRED, TType.I64, 'timestamp', None),
    (2, REQUIRED, TType.LIST, 'fields', list_of(Tag)))

SpanRef = struct(
    'SpanRef',
    (1, REQUIRED, TType.I32, 'refType', None),
    (2, REQUIRED, TType.I64, 'traceIdLow', None),
    (3, REQUIRED, TType.I64, 'traceIdHigh', None),
    (4, REQUIRED, TType.I64, 'spanId', None))

Span = struct(
    'Span',
    (1, REQUIRED, TType.I64, 'traceIdLow', None),
    (2, REQUIRED, TType.I64, 'traceIdHigh', None),
    (3, REQUIRED, TType.I64, 'spanId', None),
    (4, REQUIRED, TType.I64, 'parentSpanId', None),
    (5, REQUIRED, TType.STRING, 'operationName', 'BINARY'),
    (6, OPTIONAL, TType.LIST, 'references', list_of(SpanRef)),
    (7, REQUIRED, TType.I32, 'flags', None),
    (8, REQUIRED, TType.I64, 'startTime', None),
    (9, REQUIRED, TType.I64, 'duration', None),
    (10, OPTIONAL, TType.LIST, 'tags', list_of(Tag)),
    (11, OPTIONAL, TType.LIST, 'logs', list_of(Log)))

Process = struct(
    'Process',
    (1, REQUIRED, TType.STRING, 'serviceName', 'BINARY'),
    (2, OPTIONAL, TType.LIST, 'tags', list_of(Tag)))

ClientStats = struct(
    'ClientStats',
    (1, REQUIRED, TType.I64, 'fullQueueDroppedSpans', None),
    (2, REQUIRED, TType.I64, 'tooLargeDroppedSpans', None),
    (3, REQUIRED, TType.I64, 'failedToEmitSpans', None))

Batch = struct(
    'Batch',
    (1, REQUIRED, TType.STRUCT, 'process', of(Process)),
    (2, REQUIRED, TType.LIST, 'spans', list_of(Span)),
    (3, OPTIONAL, TType.I64, 'seqNo', None),
    (4, OPTIONAL, TType.STRUCT, 'stats', of(ClientStats)))

EmitBatchArgs = struct(
    'emitBatch_args',
    (1, REQUIRED, TType.STRUCT, 'batch', of(Batch)))


# In zipkincore.thrift hardly anything is required; REQUIRED is here what a server's span must have.
ZipkinEndpoint = struct(
    'Endpoint',
    (1, REQUIRED, TType.I32, 'ipv4', None),
    (2, REQUIRED, TType.I16, 'port', None),
    (3, REQUIRED, TType.STRING, 'service_name', 'BINARY'),
    (4, OPTIONAL, TType.STRING, 'ipv6', 'BINARY'))

ZipkinAnnotation = struct(
    'Annotation',
    (1, REQUIRED, TType.I64, 'timestamp', None),
    (2, REQUIRED, TType.STRING, 'value', 'BINARY'),
    (3, OPTIONAL, TType.STRUCT, 'host', of(ZipkinEndpoint)))

ZipkinBinaryAnnotation = struct(
    'BinaryAnnotation',
    (1, REQUIRED, TType.STRING, 'key', 'BINARY'),
    (2, REQUIRED, TType.STRING, 'value', 'BINARY'),
    (3, REQUIRED, TType.I32, 'annotation_type', None),
    (4, OPTIONAL, TType.STRUCT, 'host', of(ZipkinEndpoint)))

ZipkinSpan = struct(
    'zipkincore.Span',
    (1, REQUIRED, TType.I64, 'trace_id', None),
    (3, REQUIRED, TType.STRING, 'name', 'BINARY'),
    (4, REQUIRED, TType.I64, 'id', None),
    (5, OPTIONAL, TType.I64, 'parent_id', None),
    (6, REQUIRED, TType.LIST, 'annotations', list_of(ZipkinAnnotation)),
    (8, REQUIRED, TType.LIST, 'binary_annotations', list_of(ZipkinBinaryAnnotation)),
    (9, OPTIONAL, TType.BOOL, 'debug', None),
    (10, REQUIRED, TType.I64, 'timestamp', None),
    (11, REQUIRED, TType.I64, 'duration', None),
    (12, OPTIONAL, TType.I64, 'trace_id_high', None))

EmitZipkinBatchArgs = struct(
    'emitZipkinBatch_args',
    (1, REQUIRED, TType.LIST, 'spans', list_of(ZipkinSpan)))


def text(data):
    return data.decode('utf-8')  # strict: Thrift strings are UTF-8


def tags_of(tags):
    """({key: value}, {key: type name}) of a list of Tag; each key once, each value of its type."""
    values, types = {}, {}
    for tag in tags or ():
        tag.check()
        if not 0 <= tag.vType < len(TAG_TYPES):
            raise Malformed('tag %s: unknown type %r' % (tag.key, tag.vType))
        key = text(tag.key)
        here = [f for f in TAG_FIELDS if getattr(tag, f) is not None]
        if here != [TAG_FIELDS[tag.vType]]:
            raise Malformed('tag %s of type %s has %s' % (tag.key, TAG_TYPES[tag.vType], here))
        if key in values:
            raise Malformed('tag %s is there twice' % key)
        value = getattr(tag, TAG_FIELDS[tag.vType])
        if isinstance(value, bytes):
            value = text(value) if TAG_TYPES[tag.vType] == 'STRING' else value.hex()
        values[key] = value
        types[key] = TAG_TYPES[tag.vType]
    return values, types
