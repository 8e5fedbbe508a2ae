# SPDX-License-Identifier: MIT
"""Spans out of Thrift messages, read by python3-thrift.

    for span in spans_of(wire, data): ...

wire: what `data`, all of it, must be
    compact, binary   an emitBatch message in that protocol, as agents take it on 6831 and 6832
    batch             a Batch in the binary protocol, as collectors take it as the body of a POST
    zipkin            an emitZipkinBatch message in the compact protocol, as on 5775

Each span is a dictionary; see spans.py for what the keys mean. Raises on anything that is not in
order. Used by collector.py, and by whoever receives such bytes in another way.
"""
import ipaddress
import json
import struct

from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from jaeger_types import Batch, EmitBatchArgs, EmitZipkinBatchArgs, Malformed, tags_of, text


def protocol(wire, transport):
    if wire in ('compact', 'zipkin'):
        return TCompactProtocolAccelerated(transport, fallback=False)
    return TBinaryProtocolAccelerated(transport, strictRead=True, fallback=False)


def read(wire, data, method, result):
    """Reads `result` as the arguments of a call of the method, or as it is when there is none."""
    transport = TMemoryBuffer(data)
    iprot = protocol(wire, transport)
    if method:
        name, kind, _ = iprot.readMessageBegin()
        if name != method:
            raise Malformed('method is %r' % name)
        if kind not in (TMessageType.ONEWAY, TMessageType.CALL):
            raise Malformed('message type is %r' % kind)
    result.read(iprot)
    if method:
        iprot.readMessageEnd()
    left = len(data) - transport.cstringio_buf.tell()
    if left:
        raise Malformed('%d bytes behind the message' % left)
    result.check()
    return result


def spans_of(wire, data):
    if wire == 'zipkin':
        return zipkin_spans(read(wire, data, 'emitZipkinBatch', EmitZipkinBatchArgs()).spans)
    if wire == 'batch':
        return jaeger_spans(read(wire, data, None, Batch()))
    return jaeger_spans(read(wire, data, 'emitBatch', EmitBatchArgs()).batch)


def unsigned(number):
    return number & 0xffffffffffffffff


def trace_id(high, low):
    return '%016x%016x' % (unsigned(high), unsigned(low)) if high else '%016x' % unsigned(low)


# --- Jaeger's model ----------------------------------------------------------------------------------


REFERENCES = ('CHILD_OF', 'FOLLOWS_FROM')


def jaeger_spans(batch):
    batch.check()
    batch.process.check()
    process, process_types = tags_of(batch.process.tags)
    stats = None
    if batch.stats is not None:
        batch.stats.check()
        stats = {'full_queue': batch.stats.fullQueueDroppedSpans,
                 'too_large': batch.stats.tooLargeDroppedSpans,
                 'failed': batch.stats.failedToEmitSpans}
    for span in batch.spans:
        span.check()
        tags, types = tags_of(span.tags)
        logs = []
        for log in span.logs or ():
            log.check()
            logs.append({'timestamp': log.timestamp, 'fields': tags_of(log.fields)[0]})
        references = []
        for ref in span.references or ():
            ref.check()
            references.append({'type': REFERENCES[ref.refType],
                               'trace': trace_id(ref.traceIdHigh, ref.traceIdLow),
                               'span': '%016x' % unsigned(ref.spanId)})
        yield {
            'trace': trace_id(span.traceIdHigh, span.traceIdLow),
            'span': '%016x' % unsigned(span.spanId),
            'parent': '%016x' % unsigned(span.parentSpanId),
            'name': text(span.operationName), 'flags': span.flags,
            'start_us': span.startTime, 'duration_us': span.duration,
            'tags': tags, 'types': types, 'logs': logs, 'references': references,
            'service': text(batch.process.serviceName),
            'process': process, 'process_types': process_types,
            'seq': batch.seqNo, 'stats': stats}


# --- Zipkin's ----------------------------------------------------------------------------------------

# AnnotationType: Jaeger's name of the type, and how the value is read.
ZIPKIN_TYPES = {
    0: ('BOOL', lambda value: {b'\0': False, b'\1': True}[value]),
    4: ('LONG', lambda value: struct.unpack('>q', value)[0]),
    5: ('DOUBLE', lambda value: struct.unpack('>d', value)[0]),
    6: ('STRING', text)}

# What Jaeger's converter takes for a tag of the process, and under what name.
ZIPKIN_PROCESS = {'jaeger.hostname': 'hostname', 'jaeger.version': 'jaeger.version'}


def address_of(endpoint):
    endpoint.check()
    if endpoint.ipv6 is not None:
        return str(ipaddress.IPv6Address(endpoint.ipv6))
    return str(ipaddress.IPv4Address(endpoint.ipv4 & 0xffffffff)) if endpoint.ipv4 else None


def zipkin_tags(annotations):
    """({key: value}, {key: type name}, (address, port) of `ca`, (service, address) of `lc`); each key
    once. Jaeger's converter makes `component` of `lc`."""
    values, types, peer, local = {}, {}, None, None
    for annotation in annotations:
        annotation.check()
        key = text(annotation.key)
        if key in values or (key == 'ca' and peer):
            raise Malformed('tag %s is there twice' % key)
        name, value_of = ZIPKIN_TYPES[annotation.annotation_type]
        value = value_of(annotation.value)
        if key == 'ca':
            if value is not True or annotation.host is None:
                raise Malformed('ca is %r' % value)
            peer = address_of(annotation.host), annotation.host.port & 0xffff
        elif key == 'lc':
            local = text(annotation.host.service_name), address_of(annotation.host)
            values['component'], types['component'] = value, name
        else:
            values[key], types[key] = value, name
    return values, types, peer, local


def zipkin_server(span, annotations):
    """(service, address) of a server's span, whose annotations must agree with its times."""
    hosts = []
    expected = (b'sr', span.timestamp), (b'ss', span.timestamp + span.duration)
    if len(annotations) != len(expected):
        raise Malformed('%d annotations with a host' % len(annotations))
    for annotation, wanted in zip(annotations, expected):
        if (annotation.value, annotation.timestamp) != wanted:
            raise Malformed('annotation %r at %d' % (annotation.value, annotation.timestamp))
        hosts.append((text(annotation.host.service_name), address_of(annotation.host)))
    if hosts[0] != hosts[1]:
        raise Malformed('two services: %r' % hosts)
    return hosts[0]


def zipkin_log(annotation):
    """An event, whose value is an object of text, of which Jaeger's converter makes its fields."""
    fields = json.loads(text(annotation.value))
    if not fields or not all(isinstance(value, str) for value in fields.values()):
        raise Malformed('annotation %r' % annotation.value)
    return {'timestamp': annotation.timestamp, 'fields': fields}


def zipkin_spans(spans):
    for span in spans:
        span.check()
        for annotation in span.annotations:
            annotation.check()
        of_server = [annotation for annotation in span.annotations if annotation.host]
        logs = [zipkin_log(annotation) for annotation in span.annotations if not annotation.host]
        tags, types, peer, local = zipkin_tags(span.binary_annotations)
        if local and of_server:
            raise Malformed("a local span with annotations of a server's")
        service, address = local or zipkin_server(span, of_server)
        process = {'ip': address} if address else {}
        process_types = {'ip': 'STRING'} if address else {}
        for key, name in ZIPKIN_PROCESS.items():
            if key in tags:
                process[name], process_types[name] = tags.pop(key), types.pop(key)
        yield {
            'trace': trace_id(span.trace_id_high, span.trace_id),
            'span': '%016x' % unsigned(span.id),
            'parent': '%016x' % unsigned(span.parent_id or 0),
            'name': text(span.name), 'flags': 2 if span.debug else 0,
            'start_us': span.timestamp, 'duration_us': span.duration,
            'tags': tags, 'types': types, 'logs': logs, 'references': [], 'peer': peer,
            'service': service, 'process': process, 'process_types': process_types,
            'seq': None, 'stats': None}
