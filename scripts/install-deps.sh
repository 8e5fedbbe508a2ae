#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that the named groups need and that are missing; says nothing and
# touches nothing when all are there. Called by the Makefile before each verb.
#
#   scripts/install-deps.sh [--list] GROUP...     groups: build test demo interop bench fuzz
#
# --list prints the packages, one a line, and installs nothing.
set -euo pipefail

# group, package, what needs it. A package stands once in each group that needs it, so that a group
# can be read alone.
packages() {
  cat <<'TABLE'
build    gcc                           compiles the plugin, through uwsgi --build-plugin
build    libc6-dev                     headers of the C library
build    make                          the Makefile
build    pkg-config                    uwsgiplugin.py asks it for the libraries' flags
build    python3                       uwsgi --build-plugin runs uWSGI's builder in it
build    uwsgi-core                    /usr/bin/uwsgi, its builder and its uwsgi.h (embedded)
build    libcap-dev                    uwsgi.h includes sys/capability.h
build    libpcre3-dev                  uwsgi.h includes pcre.h
build    libssl-dev                    uwsgi.h includes openssl/ssl.h; what libcurl must find set up
build    uuid-dev                      uwsgi.h includes uuid/uuid.h
build    zlib1g-dev                    uwsgi.h includes zlib.h; messages in gzip
build    libcurl4-openssl-dev          export over HTTP; with OpenSSL, as uWSGI itself has it
build    libjansson-dev                answers of collectors and of sampling servers
build    libthrift-c-glib-dev          thrift c_glib: the Jaeger wires
build    libglib2.0-dev                thrift_c_glib.pc requires it, the package does not

test     binutils                      nm: what the plugin exports
test     bats                          end-to-end tests
test     clang-format                  make lint: layout of C
test     curl                          client of the end-to-end tests and of the demo
test     git                           make lint lists the files of the project
test     iproute2                      a network of its own, in which packets get lost
test     libcmocka-dev                 unit tests
test     libjansson-dev                unit tests read back JSON with it
test     openssl                       certificates for the tests of https
test     libprotobuf-c-dev             unit tests read back protobuf with it
test     nginx-light                   a real uwsgi_pass in front of uWSGI
test     pmccabe                       make lint: complexity of functions
test     protobuf-c-compiler           generated types decode in unit tests what we send
test     python3-bottle                routes: an application in Bottle
test     python3-django                examples/django; routes: an application in Django
test     python3-falcon                routes: an application in Falcon
test     python3-flask                 examples/logs; routes: an application in Flask
test     python3-pyramid               routes: an application in Pyramid
test     python3-six                   python3-thrift imports it, the package does not depend on it
test     python3-thrift                the collector of the tests decodes with it
test     ruby-rack                     exceptions: an application that is not Python
test     shellcheck                    make lint: shell scripts
test     thrift-compiler               generated types decode in unit tests what we send
test     uwsgi-plugin-gevent-python3   end-to-end row: gevent
test     uwsgi-plugin-psgi             end-to-end row: an application that is not Python
test     uwsgi-plugin-python3          end-to-end rows: WSGI
test     uwsgi-plugin-rack-ruby3.1     exceptions: an application that is not Python

demo     curl                          sends the demo's requests
demo     python3-django                the two services
demo     python3-six                   python3-thrift imports it, the package does not depend on it
demo     python3-thrift                scripts/waterfall.py decodes with it
demo     uwsgi-plugin-python3          runs them

interop  bats                          runs the interop tests
interop  ca-certificates               module proxy and PyPI over TLS
interop  curl                          their client
interop  gcc                           builds uWSGI from PyPI
interop  libc6-dev                     builds uWSGI from PyPI
interop  libpcre2-dev                  PyPI's uWSGI has routing only with it
interop  maven                         fetches Zipkin's server
interop  nginx-light                   TLS in front of Jaeger
interop  nodejs                        runs Jaeger's client for Node
interop  npm                           fetches it
interop  openjdk-17-jre-headless       runs Zipkin's server
interop  openssl                       certificates of the TLS tests
interop  python3-dev                   PyPI's uWSGI embeds Python
interop  python3-six                   python3-thrift imports it, the package does not depend on it
interop  python3-thrift                the collector decodes with it
interop  python3-venv                  virtual environment for PyPI's packages
interop  uwsgi-plugin-python3          applications of the Jaeger tests

bench    uwsgi-plugin-python3          the application under load
bench    valgrind                      counts instructions

fuzz     clang                         -fsanitize=fuzzer
fuzz     libclang-rt-14-dev            its run-time library
fuzz     llvm                          llvm-symbolizer: names of functions in what a fuzzer finds
TABLE
}

readonly GROUPS_KNOWN="build test demo interop bench fuzz"

usage() {
  echo "usage: scripts/install-deps.sh [--list] GROUP...   (groups: $GROUPS_KNOWN)" >&2
  exit 2
}

check_group() {
  local known
  for known in $GROUPS_KNOWN; do
    [[ $1 == "$known" ]] && return 0
  done
  echo "install-deps: no group '$1' (there are: $GROUPS_KNOWN)" >&2
  usage
}

# Packages of the groups named, each once, in the table's order.
packages_of() {
  packages | awk -v wanted=" $* " 'NF && index(wanted, " " $1 " ") && !seen[$2]++ { print $2 }'
}

# Itself, or in another package that stands for it: Node's own nodejs brings npm, and refuses Debian's.
is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed || " $(provided) " == *" $1 "* ]]
}

provided() {
  dpkg-query -W -f '${db:Status-Status}, ${Provides}\n' | sed -n 's/^installed, //p' | tr ',\n' '  '
}

missing_of() {
  local package
  for package in $(packages_of "$@"); do
    is_installed "$package" || echo "$package"
  done
}

install() {
  local -a root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || {
      echo "install-deps: not root, and there is no sudo; as root, run: apt-get install $*" >&2
      return 1
    }
    root=(sudo)
  fi
  echo "install-deps: installing $*" >&2
  # One apt-get may be running already: wait for it.
  local -a apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  # Lists may be old or absent: fetch them, once, and only because something is missing.
  "${apt[@]}" update >&2 || echo "install-deps: apt-get update failed: trying the lists that are here" >&2
  "${apt[@]}" install --no-install-recommends "$@" >&2
}

main() {
  local list_only=0 group
  if [[ ${1-} == --list ]]; then
    list_only=1
    shift
  fi
  (($# > 0)) || usage
  for group in "$@"; do
    check_group "$group"
  done
  if ((list_only)); then
    packages_of "$@"
    return
  fi
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: not a Debian system; install what stands for these: $(packages_of "$@" | xargs)" >&2
    return 0
  fi
  local -a missing
  mapfile -t missing < <(missing_of "$@")
  ((${#missing[@]} == 0)) || install "${missing[@]}"
}

main "$@"
