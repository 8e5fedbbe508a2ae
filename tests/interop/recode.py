#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Gives datagrams of Zipkin's Thrift, as recorder.py kept them, to Zipkin's server.

    recode.py DIR URL

The agents' port took emitZipkinBatch in the compact protocol; the server takes the list of spans in it
in the binary one (POST /api/v1/spans). Thrift says of each field its number and type, so that one is
made of the other without knowing what they mean, and nothing is mended on the way.
"""
import os
import sys
import urllib.request

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer

PLAIN = {TType.BOOL: "Bool", TType.BYTE: "Byte", TType.I16: "I16", TType.I32: "I32", TType.I64: "I64",
         TType.DOUBLE: "Double", TType.STRING: "Binary"}


def recode(kind, source, target):
    if kind == TType.STRUCT:
        source.readStructBegin()
        while True:
            _, field, number = source.readFieldBegin()
            if field == TType.STOP:
                break
            target.writeFieldBegin("", field, number)
            recode(field, source, target)
            source.readFieldEnd()
        target.writeFieldStop()
        source.readStructEnd()
    elif kind == TType.LIST:
        element, size = source.readListBegin()
        target.writeListBegin(element, size)
        for _ in range(size):
            recode(element, source, target)
        source.readListEnd()
    else:
        getattr(target, "write" + PLAIN[kind])(getattr(source, "read" + PLAIN[kind])())


def spans_of(datagram):
    source, target = TCompactProtocol(TMemoryBuffer(datagram)), TMemoryBuffer()
    name, _, _ = source.readMessageBegin()
    assert name == "emitZipkinBatch", name
    source.readStructBegin()
    _, kind, number = source.readFieldBegin()
    assert (kind, number) == (TType.LIST, 1), (kind, number)
    recode(kind, source, TBinaryProtocol(target))
    source.readFieldEnd()
    assert source.readFieldBegin()[1] == TType.STOP
    return target.getvalue()


def main(folder, url):
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            body = spans_of(file.read())
        request = urllib.request.Request(url, body, {"Content-Type": "application/x-thrift"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 202, answer.status


if __name__ == "__main__":
    main(*sys.argv[1:])
