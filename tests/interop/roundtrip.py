#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends all kinds of requests to tests/e2e/apps/app.py, and compares what real back ends tell of them
with what was served.

    roundtrip.py serve HOST:PORT SERVED.json
    roundtrip.py compare SERVICE SERVED.json [--names opentracing|http|http/dup] WIRE=URL...

`serve` writes what each request must look like as a span, as far as a client can know; the application
runs as serve_all of interop.bash has it. `compare` waits until each back end has as many spans of the
service, and fails with a line for each difference. WIRE is one of expected.py's; URL is that of the API
of a back end that has what was sent by this wire, Zipkin's where the name ends so, else Jaeger's; or,
where it ends in -schema, a folder of recorder.py's. Several are compared with each other, too. Ids come from the header a request was sent with, or from what the
application saw.
"""
import argparse
import http.client
import json
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from backends import DEADLINE_S, Jaeger, Zipkin, read_back
from expected import ANY, BOTH, WIRES, link_of, tags_of

CLOCK_SLACK_US = 5000  # between a client's clock readings and the server's, on one machine
END_SLACK_US = 200000  # a span ends behind the answer, when its worker is given a core again
PARENT = "1a2b3c4d5e6f7081"
SECRET = "not-in-a-span"
AGENT = "roundtrip/1"
FAULTS_SHOWN = 10  # of each wire: one fault of an encoder is in all of its spans
STRANGER = "127.0.0.2"  # no peer that serve_all trusts
ODD_PATH = "/odd/%C3%BC/ü/\"\\<&>'/\x01\x7f/".encode() + b"\xff/" + "€𝄞".encode()


def trace_id(digits=16):
    """One that no other run has: a back end would show both as one trace."""
    return "%0*x" % (digits, secrets.randbits(4 * digits) | 1)


def now_us():
    return time.time_ns() // 1000


# --- Serving -----------------------------------------------------------------------------------------


class Connection(http.client.HTTPConnection):
    """Sends any bytes as a path."""

    def _validate_path(self, url):
        pass

    def _encode_request(self, request):
        return request.encode("latin-1")


class Client:
    """One application under uWSGI, asked over a connection of its own for each request."""

    def __init__(self, address):
        self.address = address

    def ask(self, method, target, headers=None, body=None, peer="127.0.0.1"):
        """The answer, and what of the span it makes certain."""
        connection = Connection(self.address, timeout=DEADLINE_S, source_address=(peer, 0))
        start = now_us()
        connection.request(method, target, body, {"User-Agent": AGENT, **(headers or {})})
        response = connection.getresponse()
        answer = response.read()
        # uWSGI closes when it has all it wants: its span ends a little after our last byte.
        connection.close()
        path, _, query = target.encode("latin-1").decode("utf-8", "replace").partition("?")
        return answer, {
            "method": method, "path": path, "name": method + " " + path, "query": query.replace(SECRET, "REDACTED"),
            "host": self.address, "agent": AGENT, "peer": peer,
            "status": response.status, "not_before_us": start, "answered_us": now_us(),
            "request_bytes": len(body or b""),
            # What a server sends of a body that HEAD must not get is its own affair.
            "response_bytes": None if method == "HEAD" else len(answer),
        }

    def root(self, target="/environ", headers=None, peer="127.0.0.1", **also):
        """A request without context. The application tells which trace we began for it."""
        answer, served = self.ask("GET", target, headers, peer=peer)
        trace, span, parent, flags = json.loads(answer)["HTTP_UBER_TRACE_ID"].split(":")
        assert int(parent, 16) == 0, "a request without context has the parent %s" % parent
        return {**served, "trace": trace, "span": span, "parent": "0", "flags": int(flags, 16), **also}

    def child(self, trace=None, method="GET", target="/environ", body=None, flags="1", headers=None, **also):
        """A request of a caller's trace; `headers` when that is told in another way than the plain one."""
        trace = trace or trace_id()
        headers = headers or {"uber-trace-id": "%s:%s:0:%s" % (trace, PARENT, flags)}
        answer, served = self.ask(method, target, headers, body)
        served.update(trace=trace, parent=PARENT, flags=int(flags, 16), **also)
        if target == "/environ" and method == "GET":
            served["span"] = json.loads(answer)["HTTP_UBER_TRACE_ID"].split(":")[1]
        if target == "/worker":
            served["worker"], served["pid"] = map(int, answer.split())
        return served


def served_requests(address):
    """Each kind of request once, then enough at once that every worker has some."""
    client = Client(address)
    yield client.root(sampled_by="const")
    yield client.root("/environ?secret=" + SECRET, sampled_by="const")
    yield client.root(headers={"jaeger-debug-id": "ticket 42"}, debug_id="ticket 42")
    yield client.root(headers={"uber-trace-id": "not:a:context"}, sampled_by="const")
    yield client.child()
    wide = trace_id(32)
    yield client.child(wide)
    yield client.child(trace_id(6))
    encoded = trace_id()
    yield client.child(encoded, headers={"uber-trace-id": "%s%%3A%s%%3A0%%3A1" % (encoded, PARENT)})
    yield client.child(flags="3")
    yield client.child(method="POST", target="/post", body=b"x" * 5000)
    yield client.child(method="HEAD", target="/")
    yield client.child(target="/status?line=404%20Not%20Found")
    yield client.child(target="/status?line=503%20Busy")
    yield client.child(target="/sleep?ms=120", least_us=120000)
    yield client.child(target=ODD_PATH.decode("latin-1"))
    named = trace_id()
    yield client.child(named, headers={"uber-trace-id": "%s:%s:0:1" % (named, PARENT),
                                       "uberctx-user": "Zo%C3%AB"}, user="Zoë")
    stated, state = trace_id(32), "congo=t61rcWkgMzE,rojo@x=00f067aa0ba902b7"
    yield client.child(stated, headers={"traceparent": "00-%s-%s-01" % (stated, PARENT), "tracestate": state}, state=state)
    claimed = trace_id(32)
    yield client.root(headers={"uber-trace-id": "%s:%s:0:1" % (claimed, PARENT)}, peer=STRANGER,
                      link=(claimed, PARENT), sampled_by="const")
    client.child(flags="0")  # not sampled: no span must come of it
    with ThreadPoolExecutor(8) as pool:
        yield from pool.map(lambda _: client.child(target="/worker"), range(40))


# --- Comparing ---------------------------------------------------------------------------------------


def is_receivers_own(key):
    """Tags that Jaeger adds: the format it got a span in, and the library's name."""
    return key.startswith(("internal.", "otel.scope.", "otel.library."))


def tag_differences(span, wanted):
    found = {key: tag for key, tag in span["tags"].items() if not is_receivers_own(key)}
    for key in sorted(found.keys() | wanted.keys()):
        there, want = found.get(key), wanted.get(key)
        if want and there and want[1] is ANY and want[0] == there[0]:
            continue
        if there != want:
            yield "tag %s is %s, served %s" % (key, there, want)


def time_differences(span, served):
    start, end = span["start_us"], span["start_us"] + span["duration_us"]
    first, last = served["not_before_us"] - CLOCK_SLACK_US, served["answered_us"] + END_SLACK_US
    if not first <= start <= end <= last:
        yield "lasted from %d to %d, served from %d to %d" % (start, end, first, last)
    if span["duration_us"] < served.get("least_us", 0):
        yield "lasted %d us, the application slept %d" % (span["duration_us"], served["least_us"])


def differences(span, served, wire, names):
    if "span" in served and span["span"] != int(served["span"], 16):
        yield "span id is %x, the application saw %s" % (span["span"], served["span"])
    if span["parent"] != int(served["parent"], 16):
        yield "parent is %x, served %s" % (span["parent"], served["parent"])
    links = [link_of(served)] if "link" in served and wire.links else []
    if span["links"] != links:
        yield "links are %s, served %s" % (span["links"], links)
    if span["name"] not in (served["name"], served["name"].lower()):  # which is how Zipkin keeps it
        yield "operation is %s, served %s" % (span["name"], served["name"])
    if wire.debug and span["debug"] != (served["flags"] & 2 != 0):
        yield "debug is %s, served flags %s" % (span["debug"], served["flags"])
    yield from tag_differences(span, tags_of(served, wire, names))
    yield from time_differences(span, served)
    pid = {**span["process"], **span["tags"]}.get("process.pid")
    if "pid" in served and pid and int(pid[1]) != served["pid"]:
        yield "process.pid is %s, served by %s" % (pid, served["pid"])


def process_differences(spans, wire):
    """What each worker's process says of itself, and that no two workers say the same."""
    of_worker = {}
    for span in spans:
        told = {**span["process"], **{key: span["tags"].get(key) for key in wire.on_span}}
        worker = int(span["tags"]["uwsgi.worker"][1]) if wire.numbers else 0
        of_worker.setdefault(worker, {})[json.dumps(told, sort_keys=True)] = told
    if wire.numbers and not 2 <= len(of_worker) <= 4:
        yield "workers %s served, of 4" % sorted(of_worker)
    seen = {}
    for worker, processes in of_worker.items():
        if len(processes) != 1:
            yield "worker %s has %d processes: %s" % (worker, len(processes), " ".join(processes))
        tags = list(processes.values())[0]
        for key, kind in {**wire.process, **wire.on_span}.items():
            if (tags.get(key) or (None,))[0] != kind or not tags[key][1]:
                yield "process of worker %s: %s is %s" % (worker, key, tags.get(key))
        if (tags.get("team") or (None, "blue"))[1] != "blue":
            yield "process of worker %s: team is %s" % (worker, tags["team"])
        if wire.identity and seen.setdefault(tags.get(wire.identity), worker) != worker:
            yield "workers %s and %s have one %s" % (worker, seen[tags.get(wire.identity)], wire.identity)


def compare_wire(spans, all_served, wire, names):
    by_trace = {}
    for span in spans:
        by_trace.setdefault(span["trace"], []).append(span)
    for served in all_served:
        found = by_trace.pop(int(served["trace"], 16), [])
        what = "%s %s in trace %s: " % (served["method"], served["path"], served["trace"])
        if len(found) != 1:
            yield what + "%d spans" % len(found)
            continue
        for text in differences(found[0], served, wire, names):
            yield what + text
    for trace in by_trace:
        yield "trace %x was never served" % trace
    yield from process_differences(spans, wire)


def disagreements(of_wire):
    """Ids and times that one wire tells in another way than the first."""
    of_wire = {wire: {(span["trace"], span["span"]): (span["start_us"], max(1, span["duration_us"])) for span in spans}
               for wire, spans in of_wire.items()}
    first, *others = of_wire
    for wire in others:
        for ids in of_wire[first].keys() | of_wire[wire].keys():
            one, other = of_wire[first].get(ids), of_wire[wire].get(ids)
            if one != other:
                yield "span %x of trace %x: start and duration are %s by %s, %s by %s" % (
                    ids[1], ids[0], one, first, other, wire)


def backend_of(name, url):
    if name.endswith("-schema"):
        import otlp_schema  # what it needs is in the venv only
        return otlp_schema.Recorded(url, otlp_schema.read_json if "json" in name else otlp_schema.read_protobuf)
    return (Zipkin if name.split("-")[-1] == "zipkin" else Jaeger)(url)


def compare(options):
    with open(options.served, encoding="utf-8") as file:
        all_served = json.load(file)
    faults, of_wire = [], {}
    for item in options.wire:
        name, url = item.split("=")
        wire = WIRES[name]
        backend = backend_of(name, url)
        spans = of_wire[name] = read_back(backend, options.service, len(all_served))
        names = {"http/dup": BOTH, None: wire.names}.get(options.names, {options.names})
        found = list(compare_wire(spans, all_served, wire, names))
        found += backend.list_differences(options.service, {served["name"] for served in all_served})
        print("%s: %d requests served, %d spans read back, %d differences" % (
            name, len(all_served), len(spans), len(found)))
        faults += ["%s: %s" % (name, text) for text in found[:FAULTS_SHOWN]]
    faults += list(disagreements(of_wire))[:FAULTS_SHOWN]
    print(*faults, sep="\n")
    return 1 if faults else 0


def serve(options):
    with open(options.served, "w", encoding="utf-8") as file:
        json.dump(list(served_requests(options.app)), file, indent=1)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    serving = commands.add_parser("serve")
    serving.add_argument("app")
    serving.add_argument("served")
    serving.set_defaults(run=serve)
    comparing = commands.add_parser("compare")
    comparing.add_argument("service")
    comparing.add_argument("served")
    comparing.add_argument("wire", nargs="+")
    comparing.add_argument("--names", choices=("opentracing", "http", "http/dup"))
    comparing.set_defaults(run=compare)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
