# SPDX-License-Identifier: MIT
# The house itself: what the plugin exports, and that the check of the arrows can fail.

# shellcheck disable=SC2016 # backticks of Markdown

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

@test "docs/options.md documents each option with its default, and README names none that is not" {
  run -0 uwsgi --plugin "$ROOT/tracing_plugin.so" --help
  while read -r option default; do
    echo "$option: $default"
    grep -qE "^\| \`$option\`.*\| " "$ROOT/docs/options.md"
    [[ $default == none || $default == *" "* ]] || grep -E "^\| \`$option\`" "$ROOT/docs/options.md" | grep -qF "\`$default\`"
  done < <(sed -nE 's/.*--(tracing-[a-z-]+).*\(default: (.*)\).*/\1 \2/p' <<<"$output")
  [ "$(grep -c -- '--tracing-' <<<"$output")" -ge 13 ]
  grep -ohE '^\| `tracing-[a-z-]+`' "$ROOT/README.md" "$ROOT"/docs/*.md | grep -oE 'tracing-[a-z-]+' | while read -r option; do
    grep -q -- "--$option " <<<"$output" || { echo "there is no $option"; exit 1; }
  done
}

@test "docs/options.md names environment variables that are read" {
  while read -r variable; do
    echo "$variable"
    grep -qrF "\"$variable\"" "$ROOT"/plugin/host/environment*.c "$ROOT"/plugin/host/settings*.c
  done < <(grep '^| `tracing-' "$ROOT/docs/options.md" | grep -oE '`(OTEL|JAEGER|SERVICE)_[A-Z_]+`' | tr -d '`' | sort -u)
}

# documented HEADING: what the first column of its table in docs/span.md names
documented() {
  sed -n "/^## $1\$/,/^## /p" "$ROOT/docs/span.md" | grep -oE '^\| `[^|]*\|' | grep -oE '`[^`]+`' | tr -d '`' | sort
}

@test "docs/span.md lists the tags that the plugin knows, and no others" {
  diff <(documented Tags) <(sed -nE 's/.*(KEY|CONSTANT)\("([^"]+)".*/\2/p' "$ROOT/plugin/encode/attributes.c" | sort -u)
  [ "$(documented Tags | wc -l)" -ge 33 ]
  while read -r tag; do
    [[ $tag == *'<'* ]] || grep -rqF "\"$tag" "$ROOT/plugin" || { echo "nobody writes $tag"; return 1; }
  done < <(documented 'Tags of the process' && documented 'Tags with names from elsewhere')
}

@test "documents: each block has a mark" {
  run -0 "$ROOT/tests/house/docs.py" check "$ROOT"/README.md "$ROOT"/docs/*.md
}

@test "documents: a block without a mark, or with one nobody knows, is seen" {
  printf '# A\n\n```sh\ntrue\n```\n\n<!-- run: fish -->\n```sh\ntrue\n```\n\n    indented\n' >"$BATS_TEST_TMPDIR/a.md"
  run -1 "$ROOT/tests/house/docs.py" check "$BATS_TEST_TMPDIR/a.md"
  [[ $output == *"a.md:3: a block without a mark"* && $output == *"a.md:8: nobody runs 'fish'"* ]]
  [[ $output == *"a.md:12: an indented block"* ]]
}
