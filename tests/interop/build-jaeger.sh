#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds Jaeger 1.62 all-in-one, the last with the agent's UDP ports in it, into build/interop/ if it
# is not there, and prints its path. Exit status 77: what it takes is not here; says what.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly LACKING=77
readonly OUT=$here/../../build/interop/jaeger-all-in-one
readonly GO_MINOR_WANTED=22 # as jaeger/go.mod says

lacking() {
  echo "$1" >&2
  exit "$LACKING"
}

# The Go that is here, and not another that it would fetch to please go.mod.
export GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0

check_go() {
  command -v go >/dev/null || lacking "no go on the PATH: Jaeger 1.62 needs Go 1.$GO_MINOR_WANTED to be built"
  local version minor
  version=$(go env GOVERSION)
  minor=${version#go1.}
  minor=${minor%%[!0-9]*}
  ((${minor:-0} >= GO_MINOR_WANTED)) ||
    lacking "$(command -v go) is $version: Jaeger 1.62 needs Go 1.$GO_MINOR_WANTED to be built"
}

build() {
  cd "$here/jaeger"
  go mod download github.com/jaegertracing/jaeger >&2 ||
    lacking "the modules of Jaeger 1.62 cannot be had: is the network or the module proxy there?"
  mkdir -p "$(dirname "$OUT")"
  # To a name of its own first: a build that was interrupted leaves nothing that looks finished.
  go build -trimpath -o "$OUT.$$" github.com/jaegertracing/jaeger/cmd/all-in-one >&2
  mv "$OUT.$$" "$OUT"
}

if [[ ! -x $OUT ]]; then
  check_go
  build
fi
realpath "$OUT"
