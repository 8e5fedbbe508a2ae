/* SPDX-License-Identifier: MIT
 *
 * Sampling answers: JSON to strategy, by jansson. Used by the sampling poller.
 */
#include "tracing/sampling_answer.h"
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* While an answer is read. */
struct reader {
    struct trc_strategy strategy;
    json_t *operations; /* LOWERBOUND: array, or NULL */
    char *why;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reader *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, TRC_ERROR_TEXT_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

/* A member that is there and not null, or NULL. */
static json_t *member(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static int read_number(struct reader *r, const json_t *object, const char *key, double *out) {
    const json_t *value = member(object, key);
    if (value && !json_is_number(value))
        return refuse(r, "%s is not a number", key);
    *out = json_number_value(value); /* of NULL: 0 */
    return 0;
}

static int read_rate(struct reader *r, const json_t *object, const char *key, double *out) {
    if (read_number(r, object, key, out))
        return -EINVAL;
    return *out >= 0 && *out <= TRC_RATE_MAX ? 0 : refuse(r, "%s is no rate", key);
}

/* Of an operation, or of all that are not listed. */
static int read_clamped(struct reader *r, const json_t *object, const char *key, double *out) {
    double p;
    if (read_number(r, object, key, &p))
        return -EINVAL;
    *out = p < 0 ? 0 : p > 1 ? 1 : p;
    return 0;
}

static int read_probabilistic(struct reader *r, const json_t *o) {
    double *p = &r->strategy.param;
    r->strategy.type = TRC_SAMPLER_PROBABILISTIC;
    if (read_number(r, o, "samplingRate", p))
        return -EINVAL;
    return *p >= 0 && *p <= 1 ? 0 : refuse(r, "samplingRate is not from 0 to 1");
}

static int read_rate_limiting(struct reader *r, const json_t *o) {
    r->strategy.type = TRC_SAMPLER_RATELIMITING;
    return read_rate(r, o, "maxTracesPerSecond", &r->strategy.param);
}

static int read_operations(struct reader *r, const json_t *o) {
    r->strategy.type = TRC_SAMPLER_LOWERBOUND;
    r->operations = member(o, "perOperationStrategies");
    if (r->operations && !json_is_array(r->operations))
        return refuse(r, "perOperationStrategies is not an array");
    if (read_clamped(r, o, "defaultSamplingProbability", &r->strategy.param))
        return -EINVAL;
    return read_rate(r, o, "defaultLowerBoundTracesPerSecond", &r->strategy.lower_bound);
}

static int read_strategy(struct reader *r, const json_t *root) {
    static const struct {
        const char *key;
        int (*read)(struct reader *r, const json_t *object);
    } kinds[] = {
        {"operationSampling", read_operations},
        {"probabilisticSampling", read_probabilistic},
        {"rateLimitingSampling", read_rate_limiting},
    };
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const json_t *object = member(root, kinds[i].key);
        if (object)
            return json_is_object(object) ? kinds[i].read(r, object)
                                          : refuse(r, "%s is not an object", kinds[i].key);
    }
    return refuse(r, "no strategy in the answer");
}

/* Its name goes to *names, behind those that are there. */
static int read_operation(struct reader *r, const json_t *item, struct trc_operation *out,
                          char **names) {
    const json_t *name = member(item, "operation");
    const json_t *probabilistic = member(item, "probabilisticSampling");
    if (!json_is_string(name) || !json_is_object(probabilistic))
        return refuse(r, "an operation without name or probability");
    out->name = (struct trc_slice){*names, json_string_length(name)};
    memcpy(*names, json_string_value(name), out->name.len);
    *names += out->name.len;
    return read_clamped(r, probabilistic, "samplingRate", &out->probability);
}

/* One block: the strategy, its operations, their names. */
static int copy_out(struct reader *r, struct trc_strategy **out) {
    size_t count = json_array_size(r->operations), bytes = 0; /* of NULL: 0 */
    for (size_t i = 0; i < count; i++)
        bytes += json_string_length(member(json_array_get(r->operations, i), "operation"));
    struct trc_strategy *s = malloc(sizeof(*s) + count * sizeof(*s->operation) + bytes);
    if (!s) {
        refuse(r, "no memory");
        return -ENOMEM;
    }
    struct trc_operation *operation = (struct trc_operation *)(s + 1);
    char *names = (char *)(operation + count);
    for (size_t i = 0; i < count; i++)
        if (read_operation(r, json_array_get(r->operations, i), &operation[i], &names)) {
            free(s);
            return -EINVAL;
        }
    *s = r->strategy;
    s->operation = operation;
    s->operation_count = count;
    *out = s;
    return 0;
}

int trc_sampling_answer_parse(struct trc_slice body, struct trc_strategy **out,
                              char why[TRC_ERROR_TEXT_MAX]) {
    struct reader r = {.why = why};
    json_error_t error;
    json_t *root = json_loadb(body.p, body.len, 0, &error);
    if (!root)
        return refuse(&r, "not JSON: %s", error.text);
    int rc = json_is_object(root) ? read_strategy(&r, root) : refuse(&r, "not a JSON object");
    if (rc == 0)
        rc = copy_out(&r, out);
    json_decref(root);
    return rc;
}
