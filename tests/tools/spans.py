#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Asks questions of the spans a test collected.

    spans.py FILE count   [WHERE]          how many there are
    spans.py FILE print   EXPR [WHERE]     EXPR of each, one a line
    spans.py FILE values  EXPR [WHERE]     its distinct values, sorted
    spans.py FILE unique  EXPR [WHERE]     fails if two have the same EXPR
    spans.py FILE all     EXPR [WHERE]     fails unless EXPR is true of each, and there is one
    spans.py FILE check   EXPR             fails unless EXPR, which sees the list `spans`, is true
    spans.py FILE show                     a readable list, for people

FILE: JSON lines of collector.py, or OTLP JSON lines as the plugin writes them. EXPR and WHERE are
Python expressions over one span's keys:

    trace span parent    hexadecimal, zero-padded; parent of a root is all zeros
    name flags           operation name; Jaeger's flags (None for OTLP; Zipkin knows only debug)
    start_us duration_us microseconds
    tags types           {key: value}, {key: STRING|DOUBLE|BOOL|LONG|BINARY}
    logs                 events: list of {timestamp: microseconds, fields: {event: its name, key: value}}
    service process process_types   of the process (resource)
    seq stats message bytes source received wire   of the datagram
    references           Thrift: list of {type, trace, span}, such as FOLLOWS_FROM of a link
    peer                 Zipkin only: (address, port)
    kind status_code     OTLP only
    root                 parent is zero
    path                 path of http.url or url.path
    worker               uwsgi.worker
    status               http.status_code or http.response.status_code
    n(hex)               a hexadecimal text as a number
"""
import json
import re
import sys
from collections import Counter

OTLP_TYPES = {'stringValue': 'STRING', 'intValue': 'LONG', 'boolValue': 'BOOL', 'doubleValue': 'DOUBLE',
              'arrayValue': 'ARRAY', 'bytesValue': 'BINARY'}


def otlp_attributes(attributes):
    values, types = {}, {}
    for attribute in attributes or ():
        (kind, value), = attribute['value'].items()
        key = attribute['key']
        if key in values:
            sys.exit('attribute %s is there twice' % key)
        values[key] = int(value) if kind == 'intValue' else value
        types[key] = OTLP_TYPES[kind]
    return values, types


def otlp_logs(events):
    for event in events or ():
        fields, _ = otlp_attributes(event.get('attributes'))
        yield {'timestamp': int(event['timeUnixNano']) // 1000, 'fields': dict(fields, event=event['name'])}


def otlp_spans(request):
    for resource_spans in request['resourceSpans']:
        process, process_types = otlp_attributes(resource_spans['resource'].get('attributes'))
        for scope_spans in resource_spans['scopeSpans']:
            for span in scope_spans['spans']:
                tags, types = otlp_attributes(span.get('attributes'))
                start, end = int(span['startTimeUnixNano']), int(span['endTimeUnixNano'])
                yield {
                    'trace': span['traceId'], 'span': span['spanId'],
                    'parent': span.get('parentSpanId') or '0' * 16, 'name': span['name'],
                    'flags': span.get('flags'), 'kind': span.get('kind'),
                    'status_code': span.get('status', {}).get('code', 0),
                    'start_us': start // 1000, 'duration_us': (end - start) // 1000,
                    'tags': tags, 'types': types, 'logs': list(otlp_logs(span.get('events'))),
                    'service': process.get('service.name'),
                    'process': process, 'process_types': process_types, 'wire': 'otlp.json',
                    'seq': None, 'stats': None, 'source': None}


def load(path):
    spans = []
    with open(path, encoding='utf-8') as file:
        for line in file:
            item = json.loads(line)
            spans.extend(otlp_spans(item) if 'resourceSpans' in item else [item])
    for span in spans:
        tags = span['tags']
        span['root'] = int(span['parent'], 16) == 0
        span['worker'] = tags.get('uwsgi.worker')
        span['status'] = tags.get('http.status_code', tags.get('http.response.status_code'))
        span['path'] = tags.get('url.path')
        if 'http.url' in tags:
            span['path'] = re.sub(r'^[^:/]*://[^/?]*|[?].*', '', tags['http.url'])
    return spans


def n(text):
    return int(text, 16)


def value(expression, span):
    return eval('(' + expression + ')', dict(span, n=n, re=re))


def text(item):
    return item if isinstance(item, str) else json.dumps(item, sort_keys=True)


def show(spans, file=sys.stdout):
    for span in spans:
        tags = ' '.join('%s=%.100s' % item for item in sorted(span['tags'].items()))
        print('%s/%s<-%s %s flags=%s %dus [%s]' % (
            span['trace'], span['span'], span['parent'], span['name'], span['flags'],
            span['duration_us'], tags), file=file)


def main(argv):
    path, question = argv[1], argv[2]
    spans = load(path)
    if question == 'check':
        names = {'spans': spans, 'n': n, 're': re, 'Counter': Counter}
        if not eval('(' + argv[3] + ')', names):
            show(spans[:20], sys.stderr)
            return 'not true of these %d spans: %s' % (len(spans), argv[3])
        return 0
    expression = argv[3] if question not in ('count', 'show') else None
    where = argv[4 if expression else 3:]
    if where:
        spans = [span for span in spans if value(where[0], span)]
    if question == 'count':
        print(len(spans))
        return 0
    if question == 'show':
        return show(spans)
    results = [text(value(expression, span)) for span in spans] if question != 'all' else None
    if question == 'print':
        print(*results, sep='\n') if results else None
    elif question == 'values':
        print(*sorted(set(results)), sep='\n')
    elif question == 'unique':
        twice = [item for item, times in Counter(results).items() if times > 1]
        if twice:
            return '%d values of %s are there more than once, such as %s' % (
                len(twice), expression, twice[:5])
    elif question == 'all':
        wrong = [span for span in spans if not value(expression, span)]
        if wrong or not spans:
            show(wrong[:20], sys.stderr)
            return 'not true of %d of %d spans: %s' % (len(wrong), len(spans), expression)
    else:
        return 'no question %s' % question
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
