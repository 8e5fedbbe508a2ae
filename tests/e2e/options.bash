# SPDX-License-Identifier: MIT
# What the tests of options and of the environment share.
#
# shellcheck shell=bash
# shellcheck disable=SC2034 # what tests use is not used here

# serve <INI LINES: a collector, and a uWSGI of one worker with the usual application and those lines.
serve() {
  start_collector
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
$(cat)
INI
}

# span_of [CURL OPTION...]: one request, and its one span in $SPANS
span_of() {
  get /hello "$@"
  need_spans 1
}

# start_posts [OPTION...]: an HTTP collector (tests/tools/posts.py); sets POSTS_PORT. What it is sent is
# in posts.jsonl.
start_posts() {
  rm -f "$WORK/posts.log" # of an earlier one
  background posts "$PYTHON" "$TOOLS/posts.py" --out "$WORK/posts.jsonl" "$@"
  wait_for "$DEADLINE" log_has '^port ' "$WORK/posts.log"
  POSTS_PORT=$(sed -n 's/^port //p' "$WORK/posts.log")
}
