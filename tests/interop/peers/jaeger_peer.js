// SPDX-License-Identifier: MIT
//
// Jaeger's client for Node as caller and callee, as peer.py has it. Its spans go to the Jaeger agent
// (Thrift binary) at host and port AGENT, if that is set.
'use strict';
const http = require('http');
const jaeger = require('jaeger-client');
const { opentracing } = jaeger;

const BAGGAGE = { user: 'Zoë,100%=1' };
const HEADERS = opentracing.FORMAT_HTTP_HEADERS;

function reporter() {
  if (!process.env.AGENT) return new jaeger.InMemoryReporter();
  const [host, port] = process.env.AGENT.split(':');
  const UDPSender = require('jaeger-client/dist/src/reporters/udp_sender').default;
  return new jaeger.RemoteReporter(new UDPSender({ host, port: Number(port) }), { bufferFlushInterval: 50 });
}

const tracers = {};
for (const bits of [64, 128]) {
  tracers[bits] = new jaeger.Tracer('node-peer', reporter(), new jaeger.ConstSampler(true), {
    traceId128bit: bits === 128,
  });
}

function ids(span) {
  const context = span.context();
  return { trace: context.traceIdStr, span: context.spanIdStr, sampled: context.isSampled() };
}

function call(url, headers, done) {
  // A connection for each: uWSGI's http-socket closes it without saying so.
  http.get(url, { headers, agent: false }, (answer) => {
    let body = '';
    answer.on('data', (piece) => (body += piece));
    answer.on('end', () => done(JSON.parse(body)));
  });
}

function caller(query, done) {
  const span = tracers[query.get('bits') || 128].startSpan('call');
  if (query.get('sampled') === '0') span.setTag(opentracing.Tags.SAMPLING_PRIORITY, 0);
  for (const key in BAGGAGE) span.setBaggageItem(key, BAGGAGE[key]);
  const headers = {};
  span.tracer().inject(span, HEADERS, headers);
  call(query.get('to'), headers, (answer) => {
    span.finish();
    done({ caller: ids(span), answer });
  });
}

function callee(headers, done) {
  const told = tracers[128].extract(HEADERS, headers);
  const span = tracers[128].startSpan('called', { childOf: told });
  span.finish();
  const baggage = {};
  for (const key in BAGGAGE) {
    const value = span.getBaggageItem(key);
    if (value !== undefined) baggage[key] = value;
  }
  done({ ...ids(span), parent: span.context().parentIdStr, baggage });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://peer');
  const done = (answer) => response.end(JSON.stringify(answer));
  if (url.pathname === '/call') caller(url.searchParams, done);
  else callee(request.headers, done);
});
process.on('SIGTERM', () => tracers[64].close(() => tracers[128].close(() => process.exit(0))));
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
