#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes the certificates of a private authority, for tests of https, as PEM files in DIR:
#
#   certificates.sh DIR
#
#   ca.pem               the authority
#   server.pem/.key      a server on 127.0.0.1 and localhost
#   elsewhere.pem/.key   a server of another name
#   client.pem/.key      a client
#   stranger.pem/.key    a client of nobody's
set -euo pipefail
cd "$1"

# key NAME
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

# own NAME: signed by itself
own() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 2 -out "$1.pem"
}

# signed NAME EXTENSION: signed by the authority
signed() {
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
    -extfile <(echo "$2") -out "$1.pem"
}

{
  own ca
  own stranger
  signed server subjectAltName=IP:127.0.0.1,DNS:localhost
  signed elsewhere subjectAltName=DNS:elsewhere.example
  signed client extendedKeyUsage=clientAuth
} >openssl.log 2>&1 || {
  cat openssl.log >&2
  exit 1
}
