# SPDX-License-Identifier: MIT
# The house itself: what the plugin exports, and that the check of the arrows can fail.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$(dirname "$BATS_TEST_FILENAME")/../.." && pwd)

@test "the plugin exports exactly three symbols of ours" {
  run -0 nm -D --defined-only "$ROOT/tracing_plugin.so"
  ours=$(awk '{ print $3 }' <<<"$output" | grep -vE '^_(init|fini|edata|end|_bss_start)$' | sort)
  echo "$ours"
  [ "$ours" = $'tracing_plugin\ntrc_apps_loaded\ntrc_request_end' ]
}

@test "the include arrows go down" {
  run -0 "$ROOT/tests/house/arrows.py" "$ROOT"
}

@test "an arrow that goes up is seen" {
  mkdir -p "$BATS_TEST_TMPDIR/include/tracing" "$BATS_TEST_TMPDIR/plugin"
  cp "$ROOT"/include/tracing/*.h "$BATS_TEST_TMPDIR/include/tracing/"
  cp -r "$ROOT"/plugin/* "$BATS_TEST_TMPDIR/plugin/"
  echo '#include "tracing/journal.h"' >>"$BATS_TEST_TMPDIR/plugin/encode/attributes.c"
  echo '#include <uwsgi.h>' >>"$BATS_TEST_TMPDIR/plugin/send/udp.c"
  run -1 "$ROOT/tests/house/arrows.py" "$BATS_TEST_TMPDIR"
  [[ $output == *"encode may not include tracing/journal.h of trace"* ]]
  [[ $output == *"only host/ may include uwsgi.h"* ]]
}

@test "every end-to-end file has the helper, which looks at the accounts of each instance" {
  run grep -L '^load helper' "$ROOT"/tests/e2e/*.bats
  [ -z "$output" ]
}

@test "uwsgi --build-plugin . builds it without make" {
  cp -r "$ROOT/plugin" "$ROOT/include" "$ROOT/uwsgiplugin.py" "$BATS_TEST_TMPDIR/"
  cd "$BATS_TEST_TMPDIR"
  run -0 uwsgi --build-plugin .
  [ -s tracing_plugin.so ]
}

@test "README documents each option with its default" {
  run -0 uwsgi --plugin "$ROOT/tracing_plugin.so" --help
  while read -r option default; do
    echo "$option: $default"
    grep -qE "^\| \`$option\`.*\| " "$ROOT/README.md"
    [[ $default == none || $default == *" "* ]] || grep -E "^\| \`$option\`" "$ROOT/README.md" | grep -qF "\`$default\`"
  done < <(sed -nE 's/.*--(tracing-[a-z-]+).*\(default: (.*)\).*/\1 \2/p' <<<"$output")
  [ "$(grep -c -- '--tracing-' <<<"$output")" -ge 13 ]
}
