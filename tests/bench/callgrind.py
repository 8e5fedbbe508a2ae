# SPDX-License-Identifier: MIT
"""Instructions a request, out of callgrind profiles of a whole server.

    callgrind.py total REQUESTS FEW MANY
        Instructions a request: those of the profiles MANY that FEW has not, by REQUESTS.

    callgrind.py groups REQUESTS FEW MANY BASE-FEW BASE-MANY
        Where those go that are more than without the plugin (BASE): by group, and by function.

A profile is named by what its files begin with: callgrind writes one for each thread
(--separate-threads=yes), the first thread's being the one that serves requests. Profiles have to be
written without compression (--compress-strings=no --compress-pos=no).

What the plugin calls in libraries (memcpy) counts for the part of the plugin that called it.
"""

import collections
import glob
import re
import sys

PLUGIN = 'tracing_plugin.so'

# Groups of the request's thread, and of the reporters', by a part of the source's path.
REQUEST = (
    ('hooks, scan, set variables', ('/host/',)),
    ('context in and out', ('/propagate/', '/base/', '/model/baggage')),
    ('tracer: decide, record', ('/trace/tracer', '/trace/sampler', '/model/')),
    ('journal', ('/trace/',)),
)
REPORTER = (
    ('encode', ('/encode/', '/base/')),
    ('send', ('/send/',)),
    ('read, settle, wait', ('/report/', '/trace/', '/model/')),
)
# Code that is inlined from a header counts for what the header is about, whoever calls it.
HEADERS = (
    ('include/tracing/names.h', '/host/'),
    ('include/tracing/span.h', '/trace/tracer'),
    ('include/tracing/random.h', '/trace/tracer'),
    ('include/tracing/hex.h', '/propagate/'),
    ('include/tracing/format.h', '/propagate/'),
)
REST = 'uWSGI and Python beside it'

# `source`: the file of the code itself, which is not that of the function it was inlined into.
Function = collections.namedtuple('Function', 'object file name')
Place = collections.namedtuple('Place', 'function source')


class Profile:
    """Instructions of one run, by thread and function."""

    def __init__(self, prefix):
        self.own = collections.Counter()  # (request thread?, place): without what it calls
        self.calls = collections.Counter()  # (request thread?, place, callee): with what that calls
        files = sorted(glob.glob(prefix + '*'))
        if not files:
            sys.exit('callgrind.py: there is no profile ' + prefix)
        for path in files:
            thread = re.search(r'-(\d\d)$', path)
            self.read(path, thread is None or thread.group(1) == '01')

    def read(self, path, request):
        obj = place = None
        callee = {}
        file = ''
        called = False
        with open(path, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                key, sep, value = line.rstrip('\n').partition('=')
                if line[0].isdigit() or line[0] in '+-*':
                    cost = int(line.split()[1])
                    if called:
                        target = Function(callee.get('ob', obj), callee.get('fi', place.source), callee['fn'])
                        self.calls[request, place, target] += cost
                        called = False
                        callee = {}
                    else:
                        self.own[request, place] += cost
                elif not sep:
                    continue
                elif key == 'ob':
                    obj = value
                elif key == 'fl':
                    file = value
                elif key == 'fn':
                    # GCC's suffixes of functions it has split, cloned or inlined over files
                    place = Place(Function(obj, file, value.split('.')[0]), file)
                elif key in ('fi', 'fe'):
                    place = Place(place.function, value)
                elif key in ('cob', 'cfn'):
                    callee[key[1:]] = value.split('.')[0] if key == 'cfn' else value
                elif key in ('cfi', 'cfl'):
                    callee['fi'] = value
                elif key == 'calls':
                    called = True

    def total(self):
        return sum(self.own.values())


def is_plugin(function):
    return (function.object or '').endswith(PLUGIN)


def is_wrapped(place, callee):
    """Is it the parser that the plugin was put around? That would run without us, too."""
    return place.source.endswith('/host/hooks.c') and '.so' not in callee.object


def of_plugin(profile):
    """Counts the plugin's places, each with the libraries it calls: (request thread?, place)."""
    spent = collections.Counter()
    for (request, place), cost in profile.own.items():
        if is_plugin(place.function):
            spent[request, place] += cost
    for (request, place, callee), cost in profile.calls.items():
        if is_plugin(place.function) and not is_plugin(callee) and not is_wrapped(place, callee):
            spent[request, place] += cost
    return spent


def beside_plugin(profile):
    """Counts all other functions, by themselves, without what the plugin makes them do."""
    spent = collections.Counter()
    for (_, place), cost in profile.own.items():
        if not is_plugin(place.function):
            spent[place.function.name] += cost
    for (_, place, callee), cost in profile.calls.items():
        # Right for functions that call no others, which are nearly all of those the plugin calls.
        if is_plugin(place.function) and not is_plugin(callee) and not is_wrapped(place, callee):
            spent[callee.name] -= cost
    return spent


def difference(many, few):
    result = collections.Counter(many)
    result.subtract(few)
    return result


def group_of(request, place):
    # A header that is about nothing of its own (clock.h, buf.h) goes with the function.
    source = place.source if '/plugin/' in place.source else place.function.file
    for header, part in HEADERS:
        if request and place.source.endswith(header):
            source = part
    for name, parts in REQUEST if request else REPORTER:
        if any(part in source for part in parts):
            return name
    return 'other'


def total(requests, few, many):
    print('%.0f' % ((Profile(many).total() - Profile(few).total()) / requests))


def groups(requests, few, many, base_few, base_many):
    few, many = Profile(few), Profile(many)
    base_few, base_many = Profile(base_few), Profile(base_many)
    base = base_many.total() - base_few.total()
    plus = (many.total() - few.total() - base) / requests
    spent = difference(of_plugin(many), of_plugin(few))
    by_group = collections.Counter()
    by_function = collections.Counter()
    for (request, place), cost in spent.items():
        by_group[request, group_of(request, place)] += cost / requests
        by_function[request, place.function] += cost / requests
    line = '%-9s %-28s %6.0f'
    for request, title in ((True, 'request'), (False, 'reporter')):
        known = [name for name, _ in (REQUEST if request else REPORTER)] + ['other']
        for name in known:
            if round(by_group[request, name]):
                print(line % (title, name, by_group[request, name]))
    ours = sum(by_group.values())
    print(line % ('', 'the plugin', ours))
    print(line % ('', REST, plus - ours))
    print(line % ('', 'all', plus))
    print()
    for (request, function), cost in by_function.most_common(40):
        if cost >= 5:
            print(line % ('request' if request else 'reporter', function.name, cost),
                  '', function.file.rsplit('plugin/', 1)[-1])
    print()
    rest = difference(beside_plugin(many), beside_plugin(few))
    rest.subtract(difference(beside_plugin(base_many), beside_plugin(base_few)))
    for name, cost in sorted(rest.items(), key=lambda item: -abs(item[1]))[:20]:
        if abs(cost / requests) >= 5:
            print(line % ('beside', name, cost / requests))


def main(argv):
    if len(argv) == 5 and argv[1] == 'total':
        total(int(argv[2]), *argv[3:])
    elif len(argv) == 7 and argv[1] == 'groups':
        groups(int(argv[2]), *argv[3:])
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main(sys.argv)
