#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks that the include arrows between the rooms go down.

A file may include what lies in its own room or in one below it (RANK), and only host/ may include
<uwsgi.h>. A public header belongs to the room that HEADERS gives; one that is not listed is an
error, so that a new one is given its place on purpose. With a folder as argument, checks that tree.
"""
import pathlib
import re
import sys

RANK = {'base': 0, 'model': 1, 'propagate': 2, 'encode': 2, 'send': 2, 'trace': 3, 'report': 4, 'python': 4, 'host': 5}

HEADERS = {
    'base': 'buf clock decimal fold glob hex log names percent queue random robust scrub slice thread utf8 values version',
    'model': 'context span',
    'propagate': 'format',
    'encode': 'attributes encoder',
    'send': 'fetch otlp_answer sender',
    'trace': 'action capture client control exclude journal operations request sampler strategies template tracer trust',
    'report': 'control_file exporter reporter sampling_answer sampling_poller status watcher',
    'python': 'python',
    'host': 'packet response settings',
}
ROOM_OF = {stem: room for room, stems in HEADERS.items() for stem in stems.split()}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def complaints(root):
    files = sorted(root.glob('plugin/*/*.[ch]')) + sorted(root.glob('include/tracing/*.h'))
    for path in files:
        name = path.relative_to(root)
        public = name.parts[0] == 'include'
        room = ROOM_OF.get(path.stem) if public else name.parts[1]
        if room not in RANK:
            yield f'{name}: has no room'
            continue
        for bracket, target in INCLUDE.findall(path.read_text()):
            if target == 'uwsgi.h' and room != 'host':
                yield f'{name}: only host/ may include uwsgi.h'
            elif target.startswith('tracing/'):
                other = ROOM_OF.get(pathlib.Path(target).stem)
                if other is None:
                    yield f'{name}: {target} has no room'
                elif other != room and RANK[other] >= RANK[room]:
                    yield f'{name}: {room} may not include {target} of {other}'
            elif bracket == '"' and not (path.parent / target).is_file():
                yield f'{name}: "{target}" is not in its folder'


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')
    found = list(complaints(root))
    print('\n'.join(found), end='\n' if found else '')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
