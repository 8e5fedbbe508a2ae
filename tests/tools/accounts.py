#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads the accounts the master logs at its end, one line an exporter.

    accounts.py LOG                     prints them as JSON lines
    accounts.py LOG check [NAME OP N]...
        fails unless there is a line and in each sampled = exported + failed + dropped + lost +
        queued; and unless each given condition holds in each line, such as `exported==400`.
        URL=jaeger+udp://... among the conditions looks at the lines of that exporter only; with SUM
        the conditions are of the sums over all lines of an exporter: a reload ends an instance,
        which has its say, and begins another.
"""
import json
import re
import sys

LINE = re.compile(
    r'\[tracing\] (?P<url>\S+): sampled (?P<sampled>\d+) = exported (?P<exported>\d+)'
    r' \+ failed (?P<failed>\d+) \+ dropped (?P<dropped>\d+) \+ lost (?P<lost>\d+)'
    r' \+ queued (?P<queued>\d+) \(recovered (?P<recovered>\d+), truncated (?P<truncated>\d+),'
    r' context errors (?P<context_errors>\d+), retried (?P<retried>\d+),'
    r' rejected (?P<rejected>\d+), excluded (?P<excluded>\d+)\)(?P<left>, what (is|was) queued [^,]*)?(, last error: (?P<last_error>.*))?')


def read(path):
    lines = []
    with open(path, encoding='utf-8', errors='replace') as file:
        for match in map(LINE.search, file):
            if match:
                found = match.groupdict()
                texts = {name: found.pop(name) for name in ('url', 'left', 'last_error')}
                lines.append(dict({name: int(number) for name, number in found.items()}, **texts))
    return lines


def balances(line):
    return line['sampled'] == sum(line[name] for name in (
        'exported', 'failed', 'dropped', 'lost', 'queued'))


def sums(lines):
    by_url = {}
    for line in lines:
        total = by_url.setdefault(line['url'], {'url': line['url'], 'lines': 0, 'last_error': None})
        total['lines'] += 1
        total['last_error'] = line['last_error'] or total['last_error']
        for name, value in line.items():
            if isinstance(value, int):
                total[name] = total.get(name, 0) + value
    return list(by_url.values())


def main(argv):
    lines = read(argv[1])
    if len(argv) == 2:
        for line in lines:
            print(json.dumps(line))
        return 0
    conditions = argv[3:]
    for condition in list(conditions):
        if condition.startswith('URL='):
            lines = [line for line in lines if line['url'].startswith(condition[4:])]
            conditions.remove(condition)
    if not lines:
        return 'no accounts in the log'
    for line in lines:
        if not balances(line):
            return 'the accounts do not balance: %s' % line
    if 'SUM' in conditions:
        conditions.remove('SUM')
        lines = sums(lines)
    for line in lines:
        for condition in conditions:
            if not eval(condition, dict(line)):
                return 'not %s: %s' % (condition, line)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
