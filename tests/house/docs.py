#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Blocks of the documents: what tests run of them, and whether each says so.

    docs.py check FILE...          complains of blocks without a mark; there must be none
    docs.py list FILE...           each block that is run: file, line, kind
    docs.py show FILE LINE         the text of the block whose fence opens in that line

The line before a block's fence is its mark, a comment that readers do not see:

    <!-- run: KIND -->             tests/e2e/docs.bats runs it, and says there what that means
    <!-- output -->                what the block before it prints, line by line; `...` is anything
    <!-- not run: WHY -->          for a reason
"""
import re
import sys

KINDS = ('ini', 'sh', 'python', 'control', 'nginx')
MARK = re.compile(r'^<!-- (?:run: (?P<run>\S+)|(?P<output>output)|not run: (?P<why>\S.*)) -->$')


def blocks(path):
    """(line of the fence from 1, mark or None, lines) of each block; faults of the layout."""
    found, faults, opened = [], [], None
    with open(path, encoding='utf-8') as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        if opened is not None and line.strip() == '```':
            found[-1][2].extend(lines[opened:number - 1])
            opened = None
        elif opened is None and line.lstrip().startswith('```'):
            opened = number
            found.append((number, MARK.match(lines[number - 2].strip()), []))
        elif opened is None and line.startswith('    ') and not lines[number - 2].strip():
            faults.append('%s:%d: an indented block: use a fence and a mark' % (path, number))
    return found, faults


def check(paths):
    complaints = []
    for path in paths:
        found, faults = blocks(path)
        complaints += faults
        for number, mark, _ in found:
            if not mark:
                complaints.append('%s:%d: a block without a mark' % (path, number))
            elif mark['run'] and mark['run'] not in KINDS:
                complaints.append("%s:%d: nobody runs '%s'" % (path, number, mark['run']))
    print('\n'.join(complaints), end='\n' if complaints else '')
    return 1 if complaints else 0


def main(verb, *args):
    if verb == 'check':
        return check(args)
    if verb == 'list':
        for path in args:
            for number, mark, _ in blocks(path)[0]:
                if mark and not mark['why']:
                    print(path, number, mark['run'] or 'output')
        return 0
    path, line = args
    lines, = (lines for number, _, lines in blocks(path)[0] if number == int(line))
    print('\n'.join(lines))
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
