# SPDX-License-Identifier: MIT
# A Perl application: /environ shows a variable, /die dies, all else says hello.
use strict;
use warnings;

my $app = sub {
    my $env = shift;
    die "on purpose\n" if $env->{PATH_INFO} eq '/die';
    my $body = $env->{PATH_INFO} eq '/environ' ? ($env->{HTTP_UBER_TRACE_ID} // '') : 'hello from perl';
    return [200, ['Content-Type' => 'text/plain'], [$body]];
};
$app;
