/* SPDX-License-Identifier: MIT
 *
 * The table of propagation formats: a new one is its file, its declaration and its line here.
 */
#include "formats.h"

const struct trc_format *const trc_formats[] = {
    &trc_format_jaeger,       /* uber-trace-id, uberctx-* */
    &trc_format_tracecontext, /* traceparent, tracestate */
    &trc_format_baggage,      /* baggage */
    &trc_format_b3,           /* b3 */
    &trc_format_b3multi,      /* X-B3-* */
    &trc_format_gcp,          /* X-Cloud-Trace-Context */
    &trc_format_xray,         /* X-Amzn-Trace-Id */
    &trc_format_eagleeye,     /* EagleEye-* */
    NULL,
};

const struct trc_format *trc_format_find(struct trc_slice name) {
    for (unsigned i = 0; trc_formats[i]; i++)
        if (trc_slice_equal(name, trc_slice_of(trc_formats[i]->name)))
            return trc_formats[i];
    return NULL;
}
