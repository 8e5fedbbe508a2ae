#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# HTTPS to a real nginx that has a certificate of a private authority, wants one of the client and a
# password, and hands what it is given to a real Jaeger.
#
# shellcheck disable=SC2154 # what setup_file exports

load interop

PASSWORD='Correct:Horse/Battery@Staple'
TENANT='tenant-0815-secret'

setup_file() {
  obtain ALL_IN_ONE "$INTEROP/build-jaeger.sh"
  [ -n "${ALL_IN_ONE:-}" ] || return 0
  start_jaeger "$ALL_IN_ONE"
  export CERTIFICATES=$BATS_FILE_TMPDIR/certificates NGINX=$BATS_FILE_TMPDIR/nginx
  mkdir "$CERTIFICATES" "$NGINX"
  cd "$CERTIFICATES" || return 1
  {
    make_authority ours
    make_authority theirs
    make_certificate ours server localhost serverAuth
    make_certificate theirs forged localhost serverAuth
    make_certificate ours client tracing clientAuth
    make_certificate theirs stranger tracing clientAuth
  } 2>"$BATS_FILE_TMPDIR/openssl.log"
  start_nginx
}

teardown_file() {
  stop_servers
}

# make_authority NAME: NAME.pem and NAME.key
make_authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj "/CN=authority $1" -keyout "$1.key" -out "$1.pem"
}

# make_certificate AUTHORITY NAME HOST USAGE: NAME.pem and NAME.key
make_certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$3" -keyout "$2.key" -out "$2.csr"
  openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 2 -out "$2.pem" \
    -extfile <(printf 'subjectAltName=DNS:%s\nextendedKeyUsage=%s\n' "$3" "$4")
}

# Exports HTTPS, the port of the server that is in order, and FORGED, of the one with another's certificate.
start_nginx() {
  local -a ports
  read -ra ports < <(free_ports 2)
  export HTTPS=${ports[0]} FORGED=${ports[1]}
  printf 'tracing:%s\n' "$(openssl passwd -apr1 "$PASSWORD")" >"$NGINX/passwords"
  cp "$CERTIFICATES"/forged.{pem,key} "$NGINX"
  cat >"$NGINX/nginx.conf" <<CONF
$([ "$EUID" != 0 ] || echo 'user root;') # else its worker would be nobody, to whom this folder is closed
daemon off;
pid $NGINX/nginx.pid;
error_log $NGINX/error.log;
worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path $NGINX/body;
  proxy_temp_path $NGINX/proxy;
  uwsgi_temp_path $NGINX/uwsgi;
  fastcgi_temp_path $NGINX/fastcgi;
  scgi_temp_path $NGINX/scgi;
  ssl_client_certificate $CERTIFICATES/ours.pem;
  ssl_verify_client on;
  server {
    listen 127.0.0.1:$HTTPS ssl;
    ssl_certificate $CERTIFICATES/server.pem;
    ssl_certificate_key $CERTIFICATES/server.key;
    location /v1/traces {
      if (\$http_x_tenant != $TENANT) { return 403; }
      proxy_pass http://$OTLP;
    }
    location /api/traces {
      auth_basic Jaeger;
      auth_basic_user_file $NGINX/passwords;
      proxy_pass http://$COLLECTOR;
    }
  }
  server {
    listen 127.0.0.1:$FORGED ssl;
    ssl_certificate $NGINX/forged.pem;
    ssl_certificate_key $NGINX/forged.key;
    location / { proxy_pass http://$OTLP; }
  }
}
CONF
  server nginx nginx -c "$NGINX/nginx.conf" -p "$NGINX" -e "$NGINX/error.log"
  wait_for "$DEADLINE" listens "$HTTPS"
}

listens() { (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# certified <INI LINES: those, our authority, and the certificate CLIENT (by default the one that is in
# order; empty: none).
certified() {
  echo "tracing-export-ca = $CERTIFICATES/ours.pem"
  client_lines "${CLIENT-client}"
  cat
}

client_lines() {
  [ -n "$1" ] || return 0
  printf 'tracing-export-cert = %s\ntracing-export-key = %s\n' "$CERTIFICATES/$1.pem" "$CERTIFICATES/$1.key"
}

login() { export JAEGER_USER=tracing JAEGER_PASSWORD=$1; }

# arrives SERVICE WIRE <INI LINES: every kind of request, and Jaeger has each as it was served.
arrives() {
  serve_all "$1" < <(certified)
  as_served "$1" "$2=$QUERY_URL"
  no_secrets
}

# fails SERVICE WHY <INI LINES: five requests, which cannot be delivered; the log says why.
fails() {
  allow_log '\[tracing\] .*(cannot export|spans lost)'
  start_uwsgi <<INI
processes = 1
wsgi-file = $APPS/app.py
tracing-service = $1
$(certified)
INI
  requests 5 1
  wait_for "$DEADLINE" log_has "\[tracing\] .*https://.*$2"
  unknown "$1"
}

# Nothing that opens a door is in uWSGI's log, plain or encoded. (Where uWSGI shows its configuration,
# as on the SIGUSR1 that stop_uwsgi may send, that is its own.)
no_secrets() {
  local basic
  basic=$(printf 'tracing:%s' "$PASSWORD" | base64 -w0 | cut -c1-24)
  sed '/^;uWSGI instance configuration/,/^;end of configuration/d' "$LOG" | none "$TENANT|Horse|$basic"
}

knows() { curl -sf "$QUERY_URL/api/services" | json "'$1' in (j['data'] or [])" | grep -qx True; }

unknown() { [ "$(curl -sf "$QUERY_URL/api/services" | json "'$1' in (j['data'] or [])")" = False ]; }

@test "OTLP: private authority, client certificate, a header of ours" {
  need ALL_IN_ONE
  arrives otlp-tls otlp <<INI
tracing-export = otlp+https://localhost:$HTTPS/v1/traces
tracing-export-header = X-Tenant: $TENANT
INI
}

@test "the same, compressed" {
  need ALL_IN_ONE
  arrives gzip-tls otlp <<INI
tracing-export = otlp+https://localhost:$HTTPS/v1/traces
tracing-export-header = X-Tenant: $TENANT
tracing-export-gzip = true
INI
}

@test "Jaeger's Thrift: user and password of the environment" {
  need ALL_IN_ONE
  login "$PASSWORD"
  arrives thrift-tls batch <<<"tracing-export = jaeger+https://localhost:$HTTPS/api/traces"
}

@test "Jaeger's Thrift: user and password in the URL" {
  need ALL_IN_ONE
  local login=tracing:Correct%%3AHorse%%2FBattery%%40Staple # in an ini, uWSGI takes %3 for a variable of its own
  arrives url-tls batch <<<"tracing-export = jaeger+https://$login@localhost:$HTTPS/api/traces"
}

@test "a wrong password: told, counted, and not written down" {
  need ALL_IN_ONE
  login "wrong$PASSWORD"
  fails wrong-password 401 <<<"tracing-export = jaeger+https://localhost:$HTTPS/api/traces"
  need_accounts 'exported == 0' 'failed == 5' 'queued == 0'
  no_secrets
}

@test "no client certificate: nginx answers 400, which is told and counted" {
  need ALL_IN_ONE
  CLIENT='' fails no-certificate 400 <<<"tracing-export = otlp+https://localhost:$HTTPS/v1/traces"
  need_accounts 'exported == 0' 'failed == 5' 'queued == 0'
}

@test "a client certificate of another authority: the same" {
  need ALL_IN_ONE
  CLIENT=stranger fails stranger 400 <<<"tracing-export = otlp+https://localhost:$HTTPS/v1/traces"
  need_accounts 'exported == 0' 'failed == 5' 'queued == 0'
}

@test "a server under another name than its certificate's: nothing is given to it, all is kept" {
  need ALL_IN_ONE
  fails other-name '[Cc]ertificate|SSL' <<INI
tracing-export = otlp+https://127.0.0.1:$HTTPS/v1/traces
tracing-export-header = X-Tenant: $TENANT
INI
  need_accounts 'exported == 0' 'failed == 0' 'queued == 5'
  no_secrets
}

@test "a server with another authority's certificate: nothing is given to it; with a right one, all arrives" {
  need ALL_IN_ONE
  fails forged '[Cc]ertificate|SSL' <<<"tracing-export = otlp+https://localhost:$FORGED/v1/traces"
  allow_log '\[tracing\] .*exports again'
  cp "$CERTIFICATES/server.pem" "$NGINX/forged.pem"
  cp "$CERTIFICATES/server.key" "$NGINX/forged.key"
  kill -HUP "$(<"$NGINX/nginx.pid")"
  wait_for "$DEADLINE" knows forged
  need_accounts 'exported == 5' 'failed == 0' 'queued == 0'
}
