#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Switching without a reload.

load helper

# rpc NAME [ARGUMENT...]: what the application is answered that calls it.
rpc() {
  local args=(--data-urlencode "name=$1") arg
  shift
  for arg in "$@"; do args+=(--data-urlencode "arg=$arg"); done
  get /rpc -G "${args[@]}"
}

@test "RPC: tracing.disable and tracing.enable switch all workers" {
  serve <<INI
processes = 2
INI
  requests 20 2
  [ "$(rpc tracing.disable)" = ok ]
  requests 20 2
  [ "$(rpc tracing.enable)" = ok ]
  requests 20 2
  need_spans 41 # and the one that switched it off: it ends as it began
}

@test "RPC: misuse is an error in the answer" {
  serve </dev/null
  [ "$(rpc tracing.enable now)" = 'error: wrong number of arguments' ]
  [ "$(rpc tracing.nothing)" = 'no answer' ]
  need_spans 2
}
