# SPDX-License-Identifier: MIT
# bats runs this once before all files: what every test needs and none should build again.
# shellcheck shell=bash

setup_suite() {
  local root
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  if [ ! -e "${E2E_PLUGIN:-$root/tracing_plugin.so}" ]; then
    echo "no ${E2E_PLUGIN:-$root/tracing_plugin.so}: run make first" >&2
    return 1
  fi
  export E2E_LOAD=$BATS_SUITE_TMPDIR/load
  cc -O2 -Wall -Wextra -Werror -o "$E2E_LOAD" "$root/tests/tools/load.c" -lpthread
}
