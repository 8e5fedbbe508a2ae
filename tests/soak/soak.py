#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A server under mixed load for minutes, something done to it every few seconds: that the accounts
balance at the end, and that memory does not grow. `make soak MINUTES=30` runs it.

    soak.py --plugin FILE --load FILE [--minutes 3] [--seed N] [--keep]

Load: GET and POST, errors, slow requests, each context format; two exporters, over UDP and HTTP.
What is done, at random (the seed is printed): a worker is killed, the workers or the whole instance
are reloaded, a collector is away, hangs, refuses or is slow for a while. At the end both are there.

What must be true then: nobody sampled less than was answered or more than was asked; sampled =
exported + failed + dropped + lost + queued in each line of accounts; each span that was counted as
exported over HTTP is in the collector; nothing is queued.

Memory is RssAnon of /proc/PID/status: the journal is shared and does not count. Workers live for
seconds, so they are compared at like ages: the slope of memory over requests within a life, one for
all lives (which a leak a request cannot hide from), and the median of all samples of grown-up workers
in the last third of the run against the first (which what is inherited cannot). What is printed is a
million requests' worth. Exit code 0 when all is true.
"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'tools'))
import accounts  # noqa: E402

WORKERS = 3
DEADLINE_S = 60
GROWN_UP = 20000     # requests after which a worker has its buffers, or a third of the longest life
SLOPE_KIB = 4096     # per million requests of a worker's life: 4 bytes a request
DRIFT_KIB = 512      # of the medians, from the first third of the run to the last
QUIET_S = 6          # without a span: an exporter that failed tries again within 5
CONTEXTS = (
    'uber-trace-id: %x:%x:0:1', 'b3: %016x-%016x-1', 'X-Cloud-Trace-Context: %032x/%d;o=1',
    'traceparent: 00-%032x-%016x-01', 'X-Amzn-Trace-Id: Root=1-5759e988-%024x;Parent=%016x;Sampled=1',
    'EagleEye-TraceID: %032x', 'baggage: a=%d', 'uber-trace-id: not-%d', 'jaeger-debug-id: d%x')
REQUESTS = (  # path, threads, bytes of a body
    ('/hello', 2, 0), ('/environ', 1, 0), ('/post', 1, 20000), ('/status?line=503%20No', 1, 0),
    ('/status', 1, 0), ('/sleep?ms=30', 1, 0), ('/stream?n=3', 1, 0))


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit('soak: waited in vain for ' + what)
        time.sleep(0.05)


class UdpCollector:
    """Takes datagrams and looks at nothing: one that decodes would take the server's processor."""

    def __init__(self):
        self.port, self.socket, self.datagrams = 0, None, 0
        self.come()

    def come(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(('127.0.0.1', self.port))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.take, args=(self.socket,), daemon=True).start()

    def take(self, sock):
        while True:
            try:
                if sock.recv(65536) == b'end':
                    return
            except ConnectionRefusedError:
                pass
            self.datagrams += 1

    def go(self):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.sendto(b'end', ('127.0.0.1', self.port))
        sender.close()
        time.sleep(0.05)
        self.socket.close()


class HttpCollector:
    def __init__(self, work):
        self.work, self.port, self.times = work, 0, 0
        self.come()

    def path(self):
        return os.path.join(self.work, 'ids-%d' % self.times)

    def come(self):
        self.times += 1
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, 'tests/tools/fault_collector.py'), '--ids',
             '--out', self.path(), '--port', str(self.port)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def go(self):
        self.process.terminate()
        self.process.wait()

    def do(self, fault):
        with open(self.path() + '.fault.new', 'w', encoding='ascii') as file:
            file.write(fault)
        os.rename(self.path() + '.fault.new', self.path() + '.fault')

    def bytes(self):
        return sum(os.path.getsize(path) for path in self.files())

    def files(self):
        return [os.path.join(self.work, 'ids-%d' % n) for n in range(1, self.times + 1)]

    def arrived(self):
        """Spans with different ids, and all. (Millions of them: sort has room on the disk.)"""
        sort = subprocess.Popen(['sort', '-u'] + self.files(), stdout=subprocess.PIPE,
                                env=dict(os.environ, LC_ALL='C', TMPDIR=self.work))
        return int(subprocess.check_output(['wc', '-l'], stdin=sort.stdout)), self.bytes() // 17


class Server:
    def __init__(self, options, work, udp, http):
        self.work, self.log = work, os.path.join(work, 'uwsgi.log')
        formats = 'jaeger,tracecontext,baggage,b3,b3multi,gcp,xray,eagleeye'
        ini = os.path.join(work, 'uwsgi.ini')
        with open(ini, 'w', encoding='utf-8') as file:
            file.write('''[uwsgi]
strict = true
plugin = python3
plugin = %s
master = true
processes = %d
threads = 2
need-app = true
die-on-term = true
disable-logging = true
forkbomb-delay = 0
worker-reload-mercy = 8
http-socket = %s/http.sock
stats = %s/stats.sock
master-fifo = %s/fifo
listen = 100
wsgi-file = %s
tracing-service = soak
tracing-flush-interval = 200ms
tracing-exit-timeout = 500ms
tracing-export-timeout = 2s
tracing-export = jaeger+udp://127.0.0.1:%d
tracing-export = otlp.json+http://127.0.0.1:%d
tracing-extract = %s
tracing-inject = %s
''' % (options.plugin, WORKERS, work, work, work, os.path.join(ROOT, 'tests/e2e/apps/app.py'),
                udp.port, http.port, formats, formats))
        with open(self.log, 'wb') as file:
            self.process = subprocess.Popen([options.uwsgi, '--ini', ini], stdout=file, stderr=file)
        self.pid = self.process.pid
        try:
            self.wait_ready(set())
        except BaseException:
            self.kill()
            raise

    def kill(self):
        if self.process.poll() is None:
            with open('/proc/%d/task/%d/children' % (self.pid, self.pid), encoding='ascii') as file:
                children = [int(pid) for pid in file.read().split()]
            for pid in [self.pid] + children:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def stats(self):
        """uWSGI's, or None while there is nobody to give them."""
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                sock.connect(os.path.join(self.work, 'stats.sock'))
                text = b''.join(iter(lambda: sock.recv(65536), b''))
            return json.loads(text)
        except (OSError, ValueError):
            return None

    def workers(self):
        return (self.stats() or {}).get('workers', [])

    def wait_ready(self, old):
        """Until all workers accept, and none of the pids `old` is left."""
        def ready():
            if self.process.poll() is not None:
                raise SystemExit('soak: uWSGI ended by itself')
            workers = self.workers()
            return (sum(1 for w in workers if w['pid'] > 0 and w['accepting']) == WORKERS and
                    not old & {w['pid'] for w in workers})
        wait_for('the workers', ready)

    def pids(self):
        return {w['pid'] for w in self.workers() if w['pid'] > 0}

    def fifo(self, letter):
        with open(os.path.join(self.work, 'fifo'), 'w', encoding='ascii') as file:
            file.write(letter)


class Memory(threading.Thread):
    """Samples, twice a second, what the master and each worker have of their own."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ended = server, threading.Event()
        self.requests, self.counted = 0, {}
        self.master, self.lives = [], collections.defaultdict(list)

    @staticmethod
    def rss_kib(pid):
        try:
            with open('/proc/%d/status' % pid, encoding='ascii') as file:
                return int(next(line for line in file if line.startswith('RssAnon')).split()[1])
        except (OSError, StopIteration):
            return None

    def run(self):
        while not self.ended.wait(0.5):
            for worker in self.server.workers():
                pid, served = worker['pid'], worker['delta_requests']
                self.requests += max(served - self.counted.get(pid, 0), 0)
                self.counted[pid] = served
                rss = self.rss_kib(pid) if pid else None
                if rss:
                    self.lives[pid].append((self.requests, served, rss))
            rss = self.rss_kib(self.server.pid)
            if rss:
                self.master.append((self.requests, rss))

    def grown_up(self):
        longest = max((life[-1][1] for life in self.lives.values()), default=0)
        age = min(GROWN_UP, longest // 3)
        return [[s for s in life if s[1] >= age] for life in self.lives.values()]

    def slope(self):
        """KiB per million requests within a worker's life, by least squares, each life with a height
        of its own; and how many lives there were to tell."""
        up = down = count = 0
        for life in self.grown_up():
            if len(life) < 4:
                continue
            count += 1
            x = statistics.mean(s[1] for s in life)
            y = statistics.mean(s[2] for s in life)
            up += sum((s[1] - x) * (s[2] - y) for s in life)
            down += sum((s[1] - x) ** 2 for s in life)
        return (up / down * 1e6 if down else 0.0), count

    def thirds(self, samples):
        """Median memory in the first and in the last third of the run's requests."""
        first = [rss for at, rss in samples if at < self.requests / 3]
        last = [rss for at, rss in samples if at > self.requests * 2 / 3]
        return (statistics.median(first), statistics.median(last)) if first and last else (0, 0)


class Load:
    def __init__(self, options, work):
        self.options, self.address = options, os.path.join(work, 'http.sock')
        self.running, self.by_status = [], collections.Counter()

    def start(self, rng):
        for path, threads, body in REQUESTS:
            headers = []
            for context in rng.sample(CONTEXTS, 3):
                count = context.count('%')
                headers.append(context % tuple(rng.getrandbits(60) + 1 for _ in range(count)))
            environment = dict(os.environ, **({'LOAD_POST': str(body)} if body else {}))
            self.running.append(subprocess.Popen(
                [self.options.load, self.address, '1000000000', str(threads), path] + headers,
                stdout=subprocess.PIPE, text=True, env=environment))

    def stop(self):
        for process in self.running:
            process.terminate()
        for process in self.running:
            for line in process.communicate()[0].splitlines():
                status, count = map(int, line.split())
                self.by_status[status] += count
        self.running = []


class Soak:
    def __init__(self, options, work):
        self.rng = random.Random(options.seed)
        self.udp, self.http = UdpCollector(), HttpCollector(work)
        try:
            self.server = Server(options, work, self.udp, self.http)
        except BaseException:
            self.http.go()
            raise
        self.memory, self.load = Memory(self.server), Load(options, work)
        self.done = collections.Counter()
        self.wrong = []

    # --- What is done to it -----------------------------------------------------------------------

    def kill_worker(self):
        pid = self.rng.choice(sorted(self.server.pids()))
        os.kill(pid, self.rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV)))
        self.server.wait_ready({pid})

    def reload_workers(self):
        old = self.server.pids()
        self.server.fifo('w')
        self.server.wait_ready(old)

    def reload(self):
        old = self.server.pids()
        os.kill(self.server.pid, signal.SIGHUP)
        self.server.wait_ready(old)

    def pause(self):
        time.sleep(self.rng.uniform(1, 4))

    def udp_away(self):
        self.udp.go()
        self.pause()
        self.udp.come()

    def http_away(self):
        self.http.go()
        self.pause()
        self.http.come()

    def http_ill(self):
        self.http.do(self.rng.choice(('hang', 'hang-accept', '503', '400', 'reset', 'slow', 'late')))
        self.pause()
        self.http.do('ok')

    def ill_and_reloaded(self):
        self.http.do('hang')
        self.udp.go()
        self.rng.choice((self.kill_worker, self.reload))()
        self.udp.come()
        self.http.do('ok')

    def disturb(self):
        what = self.rng.choice((self.kill_worker, self.kill_worker, self.reload_workers, self.reload,
                                self.udp_away, self.http_away, self.http_ill, self.http_ill,
                                self.ill_and_reloaded))
        what()
        self.done[what.__name__.replace('_', ' ')] += 1

    def run(self, minutes):
        end = time.monotonic() + minutes * 60
        self.load.start(self.rng)
        self.memory.start()
        while time.monotonic() < end:
            time.sleep(self.rng.uniform(2, 6))
            self.disturb()

    def wait_delivered(self):
        last = [0, time.monotonic()]

        def quiet():
            now, size = time.monotonic(), self.http.bytes()
            if size != last[0]:
                last[:] = [size, now]
            return now - last[1] > QUIET_S
        wait_for('the journal to be delivered', quiet)

    # --- What became of it ------------------------------------------------------------------------

    def end(self):
        self.load.stop()
        self.memory.ended.set()
        self.memory.join()
        self.wait_delivered()
        os.kill(self.server.pid, signal.SIGTERM)
        wait_for('the end of uWSGI', lambda: self.server.process.poll() is not None)

    def check(self, what, is_true):
        print('  %-5s %s' % ('ok' if is_true else 'WRONG', what))
        if not is_true:
            self.wrong.append(what)

    def check_accounts(self):
        answered = sum(n for status, n in self.load.by_status.items() if status)
        asked = sum(self.load.by_status.values())
        lines = accounts.read(self.server.log)
        print('requests  asked %d, answered %d: %s' % (asked, answered, ', '.join(
            '%d of %d' % (n, status) for status, n in sorted(self.load.by_status.items()))))
        for total in accounts.sums(lines):
            print('accounts  %(url)s, %(lines)d instances: sampled %(sampled)d = exported %(exported)d'
                  ' + failed %(failed)d + dropped %(dropped)d + lost %(lost)d + queued %(queued)d'
                  ' (recovered %(recovered)d, retried %(retried)d, last error: %(last_error)s)' % total)
            self.check('sampled what was answered, and not more than was asked',
                       answered <= total['sampled'] <= asked)
            self.check('nothing lost', total['lost'] == 0)
        self.check('each line balances', bool(lines) and all(map(accounts.balances, lines)))
        self.check('nothing is left in the last instance', sum(a['queued'] for a in lines[-2:]) == 0)
        exported = sum(a['exported'] for a in lines if a['url'].startswith('otlp'))
        different, arrived = self.http.arrived()
        print('arrived   %d spans over HTTP, %d twice; %d datagrams' % (
            different, arrived - different, self.udp.datagrams))
        self.check('what was exported over HTTP has arrived', exported <= different)

    def check_memory(self):
        memory = self.memory
        slope, lives = memory.slope()
        grown_up = [(s[0], s[2]) for life in memory.grown_up() for s in life]
        millions = memory.requests / 1e6 * 2 / 3  # from the middle of a third to that of the last
        for name, samples in (('worker', grown_up), ('master', memory.master)):
            first, last = memory.thirds(samples)
            print('memory    %s: median %d KiB in the first third, %d in the last: %+.0f KiB per '
                  'million requests' % (name, first, last, (last - first) / (millions or 1)))
            self.check('%s drifted by at most %d KiB' % (name, DRIFT_KIB), last - first <= DRIFT_KIB)
        print('memory    worker: %+.0f KiB per million requests within %d lives' % (slope, lives))
        self.check('at most %d' % SLOPE_KIB, slope <= SLOPE_KIB)

    def check_log(self):
        with open(self.server.log, encoding='utf-8', errors='replace') as file:
            bad = [line for line in file if 'AddressSanitizer' in line or 'runtime error' in line or
                   'does not trace' in line]
        self.check('no line of the log that should not be there', not bad)
        for line in bad[:5]:
            print('        ' + line.rstrip())

    def close(self):
        self.load.stop()
        self.http.process.kill()
        self.http.process.wait()
        self.server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--plugin', required=True)
    parser.add_argument('--load', required=True, help='tests/tools/load.c, compiled')
    parser.add_argument('--uwsgi', default='uwsgi')
    parser.add_argument('--minutes', type=float, default=3)
    parser.add_argument('--seed', type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument('--keep', action='store_true', help='leave the log where it is')
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix='soak-')
    print('soak: %g minutes, --seed %d, in %s' % (options.minutes, options.seed, work), flush=True)
    soak = Soak(options, work)
    try:
        soak.run(options.minutes)
        soak.end()
        print('done      ' + ', '.join('%s %d' % item for item in sorted(soak.done.items())))
        soak.check_accounts()
        soak.check_memory()
        soak.check_log()
    finally:
        soak.close()
    print('soak: %s' % ('failed' if soak.wrong else 'passed'))
    if not soak.wrong and not options.keep:
        shutil.rmtree(work)
    return 1 if soak.wrong else 0


if __name__ == '__main__':
    sys.exit(main())
