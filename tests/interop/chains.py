#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Calls through peers: a caller of another project, the traced application (forward.py), a callee of
another project; and whether that was one trace.

    chains.py walk APP WALKED.json CHAIN...    makes the calls, writes what each peer said of itself
    chains.py check WALKED.json SPANS.jsonl    compares with the plugin's spans, as collector.py has them

CHAIN: CALLER:FORMAT[:64][:unsampled]-CALLEE:FORMAT, such as node:jaeger:64-otel:jaeger. 64: the caller
makes ids of 64 bits. Where PEER listens is in the variable PEER_<name> in upper case.
"""
import json
import os
import sys
import urllib.request
from urllib.parse import urlencode

from peers.peer import BAGGAGE

HAS_BAGGAGE = {"jaeger", "tracecontext"}  # of the formats, as the peers have them


def peer_url(name, path, **query):
    return "http://%s/%s?%s" % (os.environ["PEER_" + name.upper()], path, urlencode(query))


def walk(app, out, *chains):
    walked = []
    for chain in chains:
        caller, callee = chain.split("-")
        caller, *options = caller.split(":")
        callee, callee_format = callee.split(":")
        to = "http://%s/?%s" % (app, urlencode({"to": peer_url(callee, "callee", format=callee_format)}))
        query = {"sampled": int("unsampled" not in options), "bits": 64 if "64" in options else 128}
        with urllib.request.urlopen(peer_url(caller, "call", format=options[0], to=to, **query), timeout=15) as answer:
            said = json.load(answer)
        baggage = BAGGAGE if {options[0], callee_format} <= HAS_BAGGAGE else {}
        walked.append({"chain": chain, "caller": said["caller"], "callee": said["answer"],
                       "sampled": bool(query["sampled"]), "bits": query["bits"], "baggage": baggage})
    with open(out, "w", encoding="utf-8") as file:
        json.dump(walked, file, indent=1)
    return 0


def number(hexadecimal):
    return int(hexadecimal or "0", 16)


def differences(one, spans):
    """What of one chain is not one trace. `spans`: those of the plugin's in the caller's trace."""
    caller, callee = one["caller"], one["callee"]
    if (number(caller["trace"]) >> 64 != 0) != (one["bits"] == 128):
        yield "the caller's trace %s is not of %d bits" % (caller["trace"], one["bits"])
    if number(callee["trace"]) != number(caller["trace"]):
        yield "the callee was told trace %s, the caller's is %s" % (callee["trace"], caller["trace"])
    if not bool(caller["sampled"]) == bool(callee["sampled"]) == one["sampled"]:
        yield "sampled: caller %s, callee %s" % (caller["sampled"], callee["sampled"])
    if callee["baggage"] != one["baggage"]:
        yield "the callee was told baggage %s" % callee["baggage"]
    if not one["sampled"]:
        if spans:
            yield "%d spans, of a trace that is not sampled" % len(spans)
        if number(callee["parent"]) in (0, number(callee["span"])):
            yield "the callee was told parent %s" % callee["parent"]
        return
    if len(spans) != 1:
        yield "%d spans in the trace" % len(spans)
        return
    if number(spans[0]["parent"]) != number(caller["span"]):
        yield "our parent is %s, the caller's span %s" % (spans[0]["parent"], caller["span"])
    if number(callee["parent"]) != number(spans[0]["span"]):
        yield "the callee was told parent %s, our span is %s" % (callee["parent"], spans[0]["span"])


def check(walked, spans):
    with open(walked, encoding="utf-8") as file:
        walked = json.load(file)
    by_trace = {}
    with open(spans, encoding="utf-8") as file:
        for line in file:
            span = json.loads(line)
            by_trace.setdefault(number(span["trace"]), []).append(span)
    faults = ["%s: %s" % (one["chain"], text) for one in walked
              for text in differences(one, by_trace.pop(number(one["caller"]["trace"]), []))]
    faults += ["trace %x was none of the callers'" % trace for trace in by_trace]
    print("%d chains, %d differences" % (len(walked), len(faults)))
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit({"walk": walk, "check": check}[sys.argv[1]](*sys.argv[2:]))
