#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes the virtual environment build/interop/venv with what requirements.txt names, if it is not
# there or of other requirements, and prints its path. Exit status 77: what it takes is not here.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly LACKING=77
readonly PYTHON=/usr/bin/python3 # Debian's: Debian's uWSGI loads packages of the same Python only
readonly VENV=$here/../../build/interop/venv
readonly MARK=$VENV/requirements.txt # its last step, so that half an environment is none

lacking() {
  echo "$1" >&2
  exit "$LACKING"
}

build() {
  "$PYTHON" -c 'import ensurepip' 2>/dev/null || lacking "$PYTHON has no venv: install python3-venv"
  rm -rf "$VENV"
  "$PYTHON" -m venv "$VENV" >&2
  # wheel: packages that have only a setup.py are built the way pip still will tomorrow.
  local pip=("$VENV/bin/pip" --quiet --disable-pip-version-check)
  "${pip[@]}" install wheel==0.48.0 >&2 ||
    lacking "packages cannot be had from PyPI: is the network there?"
  CPUCOUNT=$(nproc) "${pip[@]}" install --no-build-isolation -r "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$MARK"
}

cmp -s "$here/requirements.txt" "$MARK" || build
realpath "$VENV"
