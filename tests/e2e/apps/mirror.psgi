# SPDX-License-Identifier: MIT
# As mirror.py, for Perl, whose hashes have no order: one variable a line, sorted, then the body.
use strict;
use warnings;

my $ours = qr/^(TRACING_|HTTP_(UBER_TRACE_ID|UBERCTX_|JAEGER_BAGGAGE|TRACEPARENT|TRACESTATE|BAGGAGE))/;

my $app = sub {
    my $env = shift;
    my $seen = join '', map { "$_=$env->{$_}\n" } grep { !ref $env->{$_} && !/$ours/ } sort keys %$env;
    my $body = '';
    $env->{'psgi.input'}->read($body, $env->{CONTENT_LENGTH} || 0);
    return [200, ['Content-Type' => 'text/plain'], [$seen, "\n", $body]];
};
$app;
