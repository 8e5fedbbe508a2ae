#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends requests to tests/e2e/apps/app.py, and compares what a real Jaeger tells of them with what
was served.

    roundtrip.py serve HOST:PORT SERVED.json
    roundtrip.py compare QUERY_URL SERVICE SERVED.json [--names opentracing|http]

`serve` writes what each request must look like as a span, as far as a client can know. `compare`
waits until Jaeger's query API has as many spans of the service, and fails with a line for each
difference. Ids come from the header a request was sent with, or from what the application saw.
"""
import argparse
import http.client
import json
import secrets
import sys
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

DEADLINE_S = 15
CLOCK_SLACK_US = 5000  # between a client's clock readings and the server's, on one machine
PARENT = "1a2b3c4d5e6f7081"
AGENT = "roundtrip/1"


def trace_id(digits=16):
    """One that no other run has: Jaeger would show both as one trace."""
    return "%0*x" % (digits, secrets.randbits(4 * digits) | 1)


def now_us():
    return time.time_ns() // 1000


# --- Serving -----------------------------------------------------------------------------------------


class Client:
    """One application under uWSGI, asked over a connection of its own for each request."""

    def __init__(self, address):
        self.address = address

    def ask(self, method, target, headers=None, body=None):
        """The answer, and what of the span it makes certain."""
        connection = http.client.HTTPConnection(self.address, timeout=DEADLINE_S)
        start = now_us()
        connection.request(method, target, body, {"User-Agent": AGENT, **(headers or {})})
        response = connection.getresponse()
        answer = response.read()
        # uWSGI closes when it has all it wants: its span ends a little after our last byte.
        connection.close()
        return answer, {
            "method": method, "path": target.partition("?")[0], "host": self.address,
            "status": response.status, "not_before_us": start, "answered_us": now_us(),
            "request_bytes": len(body or b""),
            # What a server sends of a body that HEAD must not get is its own affair.
            "response_bytes": None if method == "HEAD" else len(answer),
        }

    def root(self, target="/environ", headers=None, **also):
        """A request without context. The application tells which trace we began for it."""
        answer, served = self.ask("GET", target, headers)
        trace, span, parent, flags = json.loads(answer)["HTTP_UBER_TRACE_ID"].split(":")
        assert int(parent, 16) == 0, "a request without context has the parent %s" % parent
        return {**served, "trace": trace, "span": span, "parent": "0", "flags": int(flags, 16), **also}

    def child(self, trace=None, method="GET", target="/environ", body=None, flags="1", header=None, **also):
        """A request of a caller's trace; `header` when it is not written the plain way."""
        trace = trace or trace_id()
        header = header or "%s:%s:0:%s" % (trace, PARENT, flags)
        answer, served = self.ask(method, target, {"uber-trace-id": header}, body)
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
    yield client.root("/environ?secret=not-in-a-span", sampled_by="const")
    yield client.root(headers={"jaeger-debug-id": "ticket 42"}, debug_id="ticket 42")
    yield client.root(headers={"uber-trace-id": "not:a:context"}, sampled_by="const")
    yield client.child()
    yield client.child(trace_id(32))
    yield client.child(trace_id(6))
    encoded = trace_id()
    yield client.child(encoded, header="%s%%3A%s%%3A0%%3A1" % (encoded, PARENT))
    yield client.child(flags="3")
    yield client.child(method="POST", target="/post", body=b"x" * 5000)
    yield client.child(method="HEAD", target="/")
    yield client.child(target="/status?line=404%20Not%20Found")
    yield client.child(target="/status?line=503%20Busy")
    yield client.child(target="/sleep?ms=120", least_us=120000)
    client.child(flags="0")  # not sampled: no span must come of it
    with ThreadPoolExecutor(8) as pool:
        yield from pool.map(lambda _: client.child(target="/worker"), range(40))


# --- Reading back ------------------------------------------------------------------------------------


def query(url, **parameters):
    with urllib.request.urlopen(url + "?" + urllib.parse.urlencode(parameters), timeout=10) as answer:
        return json.load(answer)["data"]


def read_back(url, service, count):
    """(span, its process) of `count` spans of the service, as soon as Jaeger has them."""
    end = time.monotonic() + DEADLINE_S
    while True:
        pairs = [(span, trace["processes"][span["processID"]])
                 for trace in query(url + "/api/traces", service=service, limit=1500) for span in trace["spans"]
                 if trace["processes"][span["processID"]]["serviceName"] == service]
        if len(pairs) >= count or time.monotonic() > end:
            return pairs
        time.sleep(0.1)


def typed(tags):
    """{key: (type, value)}; a key that is there twice is a fault of ours."""
    found = {}
    for tag in tags:
        assert tag["key"] not in found, "tag %s is there twice" % tag["key"]
        found[tag["key"]] = (tag["type"], tag["value"])
    return found


# --- What must be there ------------------------------------------------------------------------------


def opentracing_tags(served):
    tags = {
        "span.kind": ("string", "server"),
        "component": ("string", "uwsgi"),
        "http.method": ("string", served["method"]),
        "http.url": ("string", "http://" + served["host"] + served["path"]),
        "http.status_code": ("int64", served["status"]),
        "peer.ipv4": ("string", "127.0.0.1"),
    }
    if served["status"] >= 500:
        tags["error"] = ("bool", True)
    return tags


def http_tags(served):
    host, _, port = served["host"].partition(":")
    tags = {
        "span.kind": ("string", "server"),
        "http.request.method": ("string", served["method"]),
        "url.scheme": ("string", "http"),
        "url.path": ("string", served["path"]),
        "server.address": ("string", host),
        "server.port": ("int64", int(port)),
        "client.address": ("string", "127.0.0.1"),
        "network.peer.address": ("string", "127.0.0.1"),
        "network.protocol.version": ("string", "1.1"),
        "user_agent.original": ("string", AGENT),
        "http.response.status_code": ("int64", served["status"]),
        "http.response.body.size": ("int64", served["response_bytes"]),
    }
    if served["request_bytes"]:
        tags["http.request.body.size"] = ("int64", served["request_bytes"])
    if served["status"] >= 500:
        # Jaeger makes both out of the span's status.
        tags.update({"error": ("bool", True), "otel.status_code": ("string", "ERROR"),
                     "error.type": ("string", str(served["status"]))})
    return tags


def common_tags(served):
    """Tags of either set of names; None stands for a value that only the server knows."""
    tags = {"uwsgi.worker": ("int64", served.get("worker")), "uwsgi.core": ("int64", 0)}
    if "sampled_by" in served:
        tags["sampler.type"] = ("string", served["sampled_by"])
        tags["sampler.param"] = ("bool", True)
    if "debug_id" in served:
        tags["jaeger-debug-id"] = ("string", served["debug_id"])
    return tags


def is_jaegers_own(key):
    """Tags that the receiver adds: the format it got a span in, and the library's name."""
    return key.startswith(("internal.", "otel.scope.", "otel.library.", "w3c."))


def tag_differences(span, wanted):
    found = {key: tag for key, tag in typed(span["tags"]).items() if not is_jaegers_own(key)}
    for key in sorted(found.keys() | wanted.keys()):
        there, want = found.get(key), wanted.get(key)
        if want and there and want[1] is None and want[0] == there[0]:
            continue
        if there != want:
            yield "tag %s is %s, served %s" % (key, there, want)


def same_id(one, other):
    return int(one, 16) == int(other, 16)


def parent_of(span):
    """The parent as Jaeger tells it: one CHILD_OF reference into the same trace, or none."""
    references = span["references"]
    if not references:
        return "0"
    assert len(references) == 1, "references %s" % references
    assert references[0]["refType"] == "CHILD_OF", "references %s" % references
    assert same_id(references[0]["traceID"], span["traceID"]), "references %s" % references
    return references[0]["spanID"]


def time_differences(span, served):
    start, end = span["startTime"], span["startTime"] + span["duration"]
    first, last = served["not_before_us"] - CLOCK_SLACK_US, served["answered_us"] + CLOCK_SLACK_US
    if not first <= start <= end <= last:
        yield "lasted from %d to %d, served from %d to %d" % (start, end, first, last)
    if span["duration"] < served.get("least_us", 0):
        yield "lasted %d us, the application slept %d" % (span["duration"], served["least_us"])


def differences(span, process, served, names):
    if "span" in served and not same_id(span["spanID"], served["span"]):
        yield "span id is %s, the application saw %s" % (span["spanID"], served["span"])
    if not same_id(parent_of(span), served["parent"]):
        yield "parent is %s, served %s" % (parent_of(span), served["parent"])
    if span["operationName"] != served["method"]:
        yield "operation is %s, served %s" % (span["operationName"], served["method"])
    # OTLP has the sampled bit alone: what is debug in Jaeger's header is just sampled there.
    if names == "opentracing" and span.get("flags", 0) != served["flags"]:
        yield "flags are %s, served %s" % (span.get("flags"), served["flags"])
    if span["logs"]:
        yield "logs are %s" % span["logs"]
    wanted = {**(http_tags if names == "http" else opentracing_tags)(served), **common_tags(served)}
    yield from tag_differences(span, wanted)
    yield from time_differences(span, served)
    pid = typed(process["tags"]).get("process.pid", (None, None))
    if "pid" in served and pid != ("int64", served["pid"]):
        yield "process.pid is %s, served by %s" % (pid, served["pid"])


def process_differences(pairs, names):
    """What each worker's process says of itself, and that no two workers say the same."""
    of_worker = {}
    for span, process in pairs:
        worker = typed(span["tags"])["uwsgi.worker"][1]
        of_worker.setdefault(worker, {})[json.dumps(process, sort_keys=True)] = process
    if not 2 <= len(of_worker) <= 4:
        yield "workers %s served, of 4" % sorted(of_worker)
    identity = "client-uuid" if names == "opentracing" else "service.instance.id"
    wanted = ["host.name", "process.pid"] if names == "http" else ["hostname", "ip", "jaeger.version", "process.pid"]
    seen = {}
    for worker, processes in of_worker.items():
        if len(processes) != 1:
            yield "worker %s has %d processes" % (worker, len(processes))
        tags = typed(list(processes.values())[0]["tags"])
        for key in wanted + [identity]:
            kind = "int64" if key == "process.pid" else "string"
            if tags.get(key, (None,))[0] != kind or not tags[key][1]:
                yield "process of worker %s: %s is %s" % (worker, key, tags.get(key))
        if seen.setdefault(tags.get(identity), worker) != worker:
            yield "workers %s and %s have one %s" % (worker, seen[tags.get(identity)], identity)


def compare(options):
    with open(options.served, encoding="utf-8") as file:
        all_served = json.load(file)
    pairs = read_back(options.query, options.service, len(all_served))
    faults = []
    if len(pairs) != len(all_served):
        faults.append("Jaeger has %d spans, %d were served" % (len(pairs), len(all_served)))
    by_trace = {}
    for span, process in pairs:
        by_trace.setdefault(int(span["traceID"], 16), []).append((span, process))
    for served in all_served:
        found = by_trace.pop(int(served["trace"], 16), [])
        what = "%s %s in trace %s: " % (served["method"], served["path"], served["trace"])
        if len(found) != 1:
            faults.append(what + "%d spans" % len(found))
            continue
        faults += [what + text for text in differences(*found[0], served, options.names)]
    faults += ["trace %x was never served" % trace for trace in by_trace]
    faults += process_differences(pairs, options.names)
    faults += list_differences(options, all_served)
    print("%d requests served, %d spans read back, %d differences" % (
        len(all_served), len(pairs), len(faults)))
    print(*faults, sep="\n")
    return 1 if faults else 0


def list_differences(options, all_served):
    """The lists of Jaeger's search page: services, and operations with their kind."""
    if options.service not in query(options.query + "/api/services"):
        yield "/api/services does not list %s" % options.service
    listed = query(options.query + "/api/operations", service=options.service)
    found = {(item["name"], item["spanKind"]) for item in listed}
    wanted = {(served["method"], "server") for served in all_served}
    if found != wanted:
        yield "/api/operations lists %s, served %s" % (sorted(found), sorted(wanted))


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
    comparing.add_argument("query")
    comparing.add_argument("service")
    comparing.add_argument("served")
    comparing.add_argument("--names", choices=("opentracing", "http"), default="opentracing")
    comparing.set_defaults(run=compare)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
