# SPDX-License-Identifier: MIT
#
# What uWSGI's builder reads (uwsgi --build-plugin DIR): names the sources and the flags.
#
# The builder exec()s this file without __file__ and from any working directory; only its caller
# knows where the folder is, in a local called `path` (the folder, or this file in newer releases).
import glob
import os
import subprocess
import sys

_path = os.path.abspath(sys._getframe(1).f_locals.get('path') or '.')
_root = _path if os.path.isdir(_path) else os.path.dirname(_path)


def _pkg_config(what, *packages):
    return subprocess.check_output(('pkg-config', what) + packages).decode().split()


NAME = 'tracing'

PACKAGES = 'thrift_c_glib', 'libcurl', 'libcrypto', 'jansson', 'zlib'

# Hidden by default: uWSGI opens plugins RTLD_GLOBAL, and every symbol of ours would be everybody's.
CFLAGS = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-flto=auto', '-fvisibility=hidden', '-Wall', '-Wextra', '-I' + os.path.join(_root, 'include')]
CFLAGS += ['-Wa,-I' + os.path.join(_root, 'plugin', 'python')]  # for .incbin in plugin/python/python.c
CFLAGS += _pkg_config('--cflags', *PACKAGES)
CFLAGS += os.environ.get('TRACING_CFLAGS', '').split()
LDFLAGS = os.environ.get('TRACING_LDFLAGS', '').split()
LIBS = _pkg_config('--libs', *PACKAGES) + ['-lpthread']

GCC_LIST = sorted(os.path.relpath(f, _root) for f in glob.glob(os.path.join(_root, 'plugin', '*', '*.c')))
