/* SPDX-License-Identifier: MIT
 *
 * The settings in one line, for the log of a server that starts: what they were understood to say.
 */
#include "tracing/settings.h"

static void put(struct trc_buf *b, const char *text) {
    trc_buf_put_slice(b, trc_slice_of(text));
}

static void put_formats(struct trc_buf *b, const char *what, const struct trc_format *const *list) {
    put(b, what);
    put(b, *list ? "" : "none");
    for (unsigned i = 0; list[i]; i++) {
        put(b, i ? "," : "");
        put(b, list[i]->name);
    }
}

void trc_settings_summarize(const struct trc_settings *s, struct trc_buf *b) {
    put(b, "service ");
    trc_buf_put_slice(b, s->service);
    put(b, s->exporter_count ? ", to " : ", to nobody");
    for (unsigned i = 0; i < s->exporter_count; i++) {
        put(b, i ? " and " : "");
        put(b, s->exporter[i].url); /* as it may be shown */
    }
    put(b, ", sampler ");
    trc_sampler_put(b, &s->sampler);
    put_formats(b, ", extract ", s->extract);
    put_formats(b, ", inject ", s->inject);
    put(b, s->journal_path ? ", journal " : "");
    put(b, s->journal_path);
    put(b, s->disabled ? ", disabled" : "");
}
