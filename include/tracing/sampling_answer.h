/* SPDX-License-Identifier: MIT
 *
 * What a sampling server answers, made into a strategy.
 *
 *   {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.5}}
 *   {"strategyType": 1, "rateLimitingSampling": {"maxTracesPerSecond": 42}}
 *   {"operationSampling": {"defaultSamplingProbability": 0.1,
 *      "defaultLowerBoundTracesPerSecond": 0.5, "defaultUpperBoundTracesPerSecond": 10,
 *      "perOperationStrategies": [
 *        {"operation": "GET", "probabilisticSampling": {"samplingRate": 0.42}}]}}
 *
 * jaeger-idl, proto/api_v2/sampling.proto: strategyType is not to be trusted, what counts is which
 * of the others is there; a field may be null, and a number that is 0 may be missing (the JSON
 * mapping of proto3).
 */
#ifndef TRACING_SAMPLING_ANSWER_H
#define TRACING_SAMPLING_ANSWER_H

#include "tracing/sender.h"
#include "tracing/strategies.h"

/* Reads the body of an answer. When several strategies are there the first of operationSampling,
 * probabilisticSampling, rateLimitingSampling counts, as for jaeger-client-go (sampler_remote.go);
 * the upper bound is read by no client. As there, an operation's probability outside of 0 to 1 is
 * the nearer of the two, but a probability for all that is outside makes the answer a bad one.
 *
 * Returns 0 and *out, to be freed with one free(); -EINVAL with one line in why[] when it is no
 * such answer or has no strategy in it; -ENOMEM. Then *out is untouched. Thread: any but request.
 */
int trc_sampling_answer_parse(struct trc_slice body, struct trc_strategy **out,
                              char why[TRC_ERROR_TEXT_MAX]);

#endif
