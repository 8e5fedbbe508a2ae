#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs what peers/package-lock.json names into build/interop/node, if it is not there or of another
# lock file, and prints the folder. Exit status 77: what it takes is not here; says what.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly LACKING=77
readonly NODE_WANTED=18 # Debian 12's
readonly OUT=$here/../../build/interop/node
readonly MARK=$OUT/installed-lock.json # its last step, so that half an installation is none

lacking() {
  echo "$1" >&2
  exit "$LACKING"
}

check_node() {
  local version
  version=$(node --version 2>/dev/null | sed -nE 's/^v([0-9]+).*/\1/p') || true
  ((${version:-0} >= NODE_WANTED)) || lacking "no Node.js $NODE_WANTED on the PATH: jaeger-client for Node runs in it"
}

build() {
  command -v npm >/dev/null || lacking "no npm on the PATH: it installs jaeger-client for Node"
  rm -rf "$OUT"
  mkdir -p "$OUT"
  cp "$here/peers/package.json" "$here/peers/package-lock.json" "$OUT"
  (cd "$OUT" && npm ci --no-audit --no-fund --loglevel=error) >&2 ||
    lacking "packages cannot be had from npm: is the network there?"
  cp "$here/peers/package-lock.json" "$MARK"
}

check_node
cmp -s "$here/peers/package-lock.json" "$MARK" || build
realpath "$OUT"
