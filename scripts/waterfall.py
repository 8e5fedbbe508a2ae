#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands where a Jaeger agent would (UDP 6831) and prints each trace as a waterfall.

    scripts/waterfall.py [--port 6831] [--traces N --deadline S [--then TEXT]] [--ready FILE]

A trace is printed when nothing more of it has come for a while: each service sends what it has once
a flush interval (1 s), so the parts of a trace come up to that far apart. With --traces it ends
after that many traces (1 if they did not come before the deadline), or with --then prints TEXT and
goes on until a signal. --ready: the file to write the port to once spans can come.

Exit status 3: the port is taken.
"""
import argparse
import errno
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections import OrderedDict
from pathlib import Path

# One decoder for the demo and the tests: theirs, which is python3-thrift's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "tools"))
from thrift_spans import spans_of  # noqa: E402  (its place is known only now)

QUIET_S = 1.5  # a trace is whole when nothing came for this long: the flush interval and some
TRACES_KEPT = 500  # late spans of older traces are shown alone
LABEL_WIDTH = 36
RED, DIM, BOLD, PLAIN = "\033[31m", "\033[2m", "\033[1m", "\033[0m"
PORT_TAKEN = 3


class Trace:
    def __init__(self):
        self.spans = {}
        self.last_came = 0.0
        self.shown = 0  # spans of it that are on the screen already

    def add(self, span):
        self.spans[span["span"]] = span
        self.last_came = time.monotonic()

    def is_news(self):
        return len(self.spans) > self.shown

    def start_us(self):
        return min(span["start_us"] for span in self.spans.values())

    def tree(self):
        """(depth, span) of each span, a parent before its children, siblings by time."""
        children = {}
        for span in sorted(self.spans.values(), key=lambda span: span["start_us"]):
            parent = span["parent"] if span["parent"] in self.spans else None
            children.setdefault(parent, []).append(span)
        rows, waiting = [], [(0, span) for span in reversed(children.pop(None, []))]
        while waiting:
            depth, span = waiting.pop()
            rows.append((depth, span))
            below = children.pop(span["span"], [])
            waiting += [(depth + 1, child) for child in reversed(below)]
        # Whoever sent spans that are each other's parents still sees them.
        return rows + [(0, span) for circle in children.values() for span in circle]


def printable(text):
    """What a client sent may hold terminal escapes: none of them reaches the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def what_it_did(span):
    """The operation; where that is the method alone, with the path."""
    path = re.sub("^[^:/]*://[^/]*", "", str(span["tags"].get("http.url", "")))
    return span["name"] if "/" in span["name"] else (span["name"] + " " + path).rstrip()


def milliseconds(us):
    return "%.1f ms" % (us / 1000)


class Screen:
    def __init__(self, out):
        self.out = out
        self.colour = out.isatty()
        self.width = shutil.get_terminal_size((110, 24)).columns
        self.block = "█" if (out.encoding or "").lower().startswith("utf") else "="

    def paint(self, text, colour):
        return colour + text + PLAIN if self.colour else text

    def bar(self, span, start_us, length_us):
        """The bar of one span, and the blanks on both sides of it."""
        width = max(10, self.width - LABEL_WIDTH - 36)
        scale = width / max(1, length_us)
        before = min(width - 1, int((span["start_us"] - start_us) * scale))
        long = max(1, min(width - before, round(span["duration_us"] * scale)))
        bar = " " * before + self.block * long
        return bar + " " * (width - len(bar))

    def row(self, depth, span, start_us, length_us):
        tags = span["tags"]
        status = tags.get("http.status_code", tags.get("http.response.status_code", "-"))
        label = "  " * depth + printable("%s: %s" % (span["service"], what_it_did(span)))
        if len(label) > LABEL_WIDTH:
            label = label[: LABEL_WIDTH - 2] + ".."
        failed = tags.get("error") is True
        line = "  %-*s %s %10s  %3s  worker %s%s" % (
            LABEL_WIDTH, label, self.bar(span, start_us, length_us),
            milliseconds(span["duration_us"]), status, tags.get("uwsgi.worker", "?"),
            "  error" if failed else "")
        return self.paint(line, RED) if failed else line

    def show(self, name, trace):
        start_us = trace.start_us()
        end_us = max(span["start_us"] + span["duration_us"] for span in trace.spans.values())
        rows = trace.tree()
        # Its parent is a span nobody reported to us: the trace began with whoever called.
        continued = int(rows[0][1]["parent"], 16) != 0
        facts = "%d span%s, %s%s" % (
            len(rows), "" if len(rows) == 1 else "s", milliseconds(end_us - start_us),
            ", continues the caller's trace" if continued else "")
        self.say("%s  %s" % (self.paint("trace " + name, BOLD), self.paint(facts, DIM)))
        for depth, span in rows:
            self.say(self.row(depth, span, start_us, end_us - start_us))
        self.say("")

    def say(self, text):
        print(text, file=self.out, flush=True)


class Receiver:
    def __init__(self, port, screen):
        self.screen = screen
        self.traces = OrderedDict()
        self.shown_count = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(0.2)

    def port(self):
        return self.socket.getsockname()[1]

    def take(self):
        """Waits a moment for a datagram and files its spans."""
        try:
            datagram = self.socket.recv(65535)
        except socket.timeout:
            return
        try:
            spans = list(spans_of("compact", datagram))
        except Exception as error:  # anybody can send anything to a UDP port
            print("waterfall: not a span batch: %s" % error, file=sys.stderr)
            return
        for span in spans:
            self.traces.setdefault(span["trace"], Trace()).add(span)
        while len(self.traces) > TRACES_KEPT:
            self.traces.popitem(last=False)

    def show_whole(self):
        """Prints the traces nothing more came of, in the order they began."""
        quiet = time.monotonic() - QUIET_S
        whole = [(trace.start_us(), name) for name, trace in self.traces.items()
                 if trace.is_news() and trace.last_came < quiet]
        for _, name in sorted(whole):
            trace = self.traces[name]
            self.shown_count += trace.shown == 0
            trace.shown = len(trace.spans)
            self.screen.show(name, trace)


def run(options, receiver):
    end = time.monotonic() + options.deadline
    counting = options.traces > 0
    while True:
        receiver.take()
        receiver.show_whole()
        if not counting:
            continue
        if receiver.shown_count >= options.traces:
            status = 0
        elif time.monotonic() > end:
            status = 1
            print("waterfall: %d of %d traces came in %d s" % (
                receiver.shown_count, options.traces, options.deadline), file=sys.stderr)
        else:
            continue
        if not options.then:
            return status
        receiver.screen.say(options.then + "\n")
        counting = False


def announce(path, port):
    part = path + ".part"
    Path(part).write_text("%d\n" % port, encoding="ascii")
    os.rename(part, path)  # whoever waits for the file finds it whole


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=6831)
    parser.add_argument("--traces", type=int, default=0)
    parser.add_argument("--deadline", type=int, default=20)
    parser.add_argument("--then", default="")
    parser.add_argument("--ready")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        receiver = Receiver(options.port, Screen(sys.stdout))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print("waterfall: UDP port %d is taken" % options.port, file=sys.stderr)
        return PORT_TAKEN
    if options.ready:
        announce(options.ready, receiver.port())
    return run(options, receiver)


if __name__ == "__main__":
    sys.exit(main())
