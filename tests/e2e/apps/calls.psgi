# SPDX-License-Identifier: MIT
# Calls uWSGI's RPC from Perl, and answers with what it was answered, a line each.
use strict;
use warnings;

my $app = sub {
    my @answers = (
        uwsgi::call('tracing.name', 'from perl'),
        uwsgi::call('tracing.tag', 'language', 'perl'),
        uwsgi::call('tracing.baggage', 'who', 'camel'),
        uwsgi::call('tracing.baggage', 'who'));
    my $id = uwsgi::call('tracing.start', 'within');
    push @answers, uwsgi::call('tracing.inject');
    push @answers, uwsgi::call('tracing.end', $id, 'error');
    push @answers, uwsgi::call('tracing.tag', 'k');
    return [200, ['Content-Type' => 'text/plain'], [join("\n", @answers)]];
};
$app;
