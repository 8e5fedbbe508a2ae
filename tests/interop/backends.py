# SPDX-License-Identifier: MIT
"""What back ends tell of spans, in one shape. Used by roundtrip.py.

A span is a dictionary: trace, span, parent (numbers; parent 0: a root), links [(trace, span)], name,
service, start_us, duration_us, debug (or None where that is not told), tags and process {key: (type, value)},
types as in Jaeger's API: string, bool, int64, float64.
"""
import json
import time
import urllib.parse
import urllib.request

DEADLINE_S = 20


def query(url, **parameters):
    with urllib.request.urlopen(url + "?" + urllib.parse.urlencode(parameters), timeout=10) as answer:
        return json.load(answer)


def typed(tags):
    """{key: (type, value)}; a key that is there twice is a fault of ours."""
    found = {}
    for tag in tags:
        assert tag["key"] not in found, "tag %s is there twice, as %s and %s" % (
            tag["key"], found[tag["key"]], (tag["type"], tag["value"]))
        found[tag["key"]] = (tag["type"], tag["value"])
    return found


class Jaeger:
    """The query API of Jaeger 1.62."""

    def __init__(self, url):
        self.url = url

    def spans(self, service):
        for trace in query(self.url + "/api/traces", service=service, limit=1500)["data"]:
            for span in trace["spans"]:
                process = trace["processes"][span["processID"]]
                if process["serviceName"] == service:
                    yield self.span(span, process)

    def span(self, span, process):
        assert not span["logs"], "logs are %s" % span["logs"]
        warnings = [text for text in span["warnings"] or () if not text.startswith("invalid parent span IDs")]
        assert not warnings, "Jaeger warns: %s" % warnings  # but of a caller that reports nothing
        trace, parents, links = int(span["traceID"], 16), [], []
        for reference in span["references"]:
            ids = int(reference["traceID"], 16), int(reference["spanID"], 16)
            (parents if reference["refType"] == "CHILD_OF" and ids[0] == trace else links).append(ids)
        assert len(parents) <= 1, "parents %s" % parents
        return {
            "trace": trace, "span": int(span["spanID"], 16), "parent": parents[0][1] if parents else 0, "links": links,
            "name": span["operationName"], "service": process["serviceName"],
            "start_us": span["startTime"], "duration_us": span["duration"], "debug": span.get("flags", 0) & 2 != 0,
            "tags": typed(self.without_address_number(span["tags"])), "process": typed(process["tags"]),
        }

    @staticmethod
    def without_address_number(tags):
        """Jaeger makes a tag peer.ipv4, a number, of the peer in Zipkin's Thrift, beside the text we send."""
        return [tag for tag in tags if (tag["key"], tag["type"]) != ("peer.ipv4", "int64")]

    def list_differences(self, service, names):
        """The lists of Jaeger's search page: services, and operations with their kind."""
        if service not in query(self.url + "/api/services")["data"]:
            yield "/api/services does not list %s" % service
        listed = query(self.url + "/api/operations", service=service)["data"]
        found = {(item["name"], item["spanKind"]) for item in listed}
        if found != {(name, "server") for name in names}:
            yield "/api/operations lists %s, served %s" % (sorted(found), sorted(names))


class Zipkin:
    """The API of Zipkin's server, version 2. All tags are text; names are in lower case."""

    def __init__(self, url):
        self.url = url

    def spans(self, service):
        for trace in query(self.url + "/api/v2/traces", serviceName=service, limit=1500):
            for span in trace:
                if span["localEndpoint"]["serviceName"] == service:
                    yield self.span(span)

    def span(self, span):
        assert "annotations" not in span, "annotations are %s" % span["annotations"]
        assert "shared" not in span, "shared"
        tags = {key: ("string", value) for key, value in span["tags"].items()}
        tags["span.kind"] = ("string", span["kind"].lower())
        for key, value in span.get("remoteEndpoint", {}).items():
            tags["peer." + key] = ("string", str(value))
        local = span["localEndpoint"]
        return {
            "trace": int(span["traceId"], 16), "span": int(span["id"], 16), "parent": int(span.get("parentId", "0"), 16),
            "links": [], "name": span["name"], "service": local["serviceName"],
            "start_us": span["timestamp"], "duration_us": span["duration"], "debug": span.get("debug", False),
            "tags": tags, "process": {"ip": ("string", local.get("ipv4"))},
        }

    def list_differences(self, service, names):
        if service not in query(self.url + "/api/v2/services"):
            yield "/api/v2/services does not list %s" % service
        found = set(query(self.url + "/api/v2/spans", serviceName=service))
        if found != {name.lower() for name in names}:
            yield "/api/v2/spans lists %s, served %s" % (sorted(found), sorted(names))


def read_back(backend, service, count):
    """`count` spans of the service, as soon as the back end has them; what there is after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while True:
        spans = list(backend.spans(service))
        if len(spans) >= count or time.monotonic() > end:
            return spans
        time.sleep(0.1)
