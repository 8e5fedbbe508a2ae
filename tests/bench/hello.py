# SPDX-License-Identifier: MIT
# The application under load: as little as one can be, so that all there is beside it shows.


def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'hello world\n']
