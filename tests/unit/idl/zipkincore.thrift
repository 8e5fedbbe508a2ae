# SPDX-License-Identifier: MIT
#
# Zipkin's first data model, written from the field table of jaeger-idl's thrift/zipkincore.thrift:
# ids, names, types and requiredness are its. In c_glib, which has no namespaces of its own, its
# types are called ZipkinSpan and so on: jaeger.thrift has a Span too.

namespace c_glib Zipkin

struct Endpoint {
  1: i32 ipv4 # most significant byte first: 127.0.0.1 is 0x7f000001
  2: i16 port # its bits; 0: unknown
  3: string service_name
  4: optional binary ipv6
}

struct Annotation {
  1: i64 timestamp # us since the epoch
  2: string value
  3: optional Endpoint host
}

enum AnnotationType { BOOL = 0, BYTES = 1, I16 = 2, I32 = 3, I64 = 4, DOUBLE = 5, STRING = 6 }

struct BinaryAnnotation {
  1: string key
  2: binary value
  3: AnnotationType annotation_type
  4: optional Endpoint host
}

struct Span {
  1: i64 trace_id
  3: string name
  4: i64 id
  5: optional i64 parent_id
  6: list<Annotation> annotations
  8: list<BinaryAnnotation> binary_annotations
  9: optional bool debug = 0
  10: optional i64 timestamp # us since the epoch
  11: optional i64 duration # us
  12: optional i64 trace_id_high
}

# Of jaeger-idl's thrift/agent.thrift. Here, because in c_glib a list of another file's structs is
# taken to be in the namespace of the file it stands in.
service Agent {
  oneway void emitZipkinBatch(1: list<Span> spans)
}
