#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Fetches Zipkin's server with Maven into build/interop/ if it is not there, and prints the path of its
# jar. Exit status 77: what it takes is not here; says what.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly LACKING=77
readonly VERSION=3.5.1
readonly SHA256=7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d
readonly COPY=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy
readonly JAVA_WANTED=17
readonly OUT=$here/../../build/interop
readonly JAR=$OUT/zipkin-server-$VERSION-exec.jar

lacking() {
  echo "$1" >&2
  exit "$LACKING"
}

check_java() {
  local version
  version=$(java -version 2>&1 | sed -nE '1s/.*"([0-9]+)[".].*/\1/p') || true
  ((${version:-0} >= JAVA_WANTED)) ||
    lacking "no Java $JAVA_WANTED on the PATH: Zipkin $VERSION needs it (install openjdk-$JAVA_WANTED-jre-headless)"
}

fetch() {
  command -v mvn >/dev/null || lacking "no mvn on the PATH: it fetches Zipkin $VERSION (install maven)"
  # To a folder of its own first: a copy that was interrupted leaves nothing that looks finished.
  local part=$OUT/zipkin.$$
  mvn -B -q "$COPY" -Dartifact="io.zipkin:zipkin-server:$VERSION:jar:exec" -DoutputDirectory="$part" >&2 ||
    lacking "Zipkin $VERSION cannot be had from Maven Central: is the network there?"
  echo "$SHA256  $part/${JAR##*/}" | sha256sum --check --quiet >&2
  mv "$part/${JAR##*/}" "$JAR"
  rmdir "$part"
}

check_java
[[ -e $JAR ]] || fetch
realpath "$JAR"
