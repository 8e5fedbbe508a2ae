/* SPDX-License-Identifier: MIT
 *
 * Exceptions that leave an application. uWSGI hands each to the language's plugin to be logged,
 * last of all that it does with it (handlers, catch-exceptions): that function is wrapped.
 *
 * Python's are described by the bridge, which bounds the work and keeps the innermost frames. What
 * others say, and Python without the bridge, is asked of their plugin and comes in memory that
 * uWSGI allocates: this is the way to a response of status 500, not that of other requests.
 */
#include "host.h"
#include "tracing/buf.h"
#include "tracing/python.h"
#include <uwsgi.h>

extern struct uwsgi_server uwsgi;

#define MODIFIER_RACK 7 /* Ruby */

typedef void log_function(struct wsgi_request *);

static log_function *original[UINT8_MAX + 1]; /* by modifier1 */

/* --- What a language's plugin tells ----------------------------------------------------------- */

/* A frame is five items: file, line, function, source text and one that nobody uses. Written as
 * Ruby does, innermost first. */
static void add_item(uint16_t position, char *value, uint16_t len, void *data) {
    static const char *const behind[] = {":", ":in `", "'\n"};
    struct trc_buf *text = data;
    unsigned item = position % 5;
    if (item >= sizeof(behind) / sizeof(behind[0]))
        return;
    trc_buf_put(text, value, len);
    trc_buf_put_slice(text, trc_slice_of(behind[item]));
}

/* Of Python's own backtrace Debian's uWSGI gets nothing: it reads what Python gave before 3.5. */
static void add_stack(struct uwsgi_plugin *language, struct wsgi_request *wsgi_req,
                      struct trc_buf *text) {
    struct uwsgi_buffer *frames = NULL;
    if (language->backtrace && !trc_bridge_is_python(language))
        frames = language->backtrace(wsgi_req);
    if (!frames)
        return;
    (void)uwsgi_hooked_parse_array(frames->buf, frames->pos, add_item, text);
    uwsgi_buffer_destroy(frames);
}

static struct trc_slice slice_of(const struct uwsgi_buffer *b) {
    return b ? (struct trc_slice){b->buf, b->pos} : (struct trc_slice){NULL, 0};
}

/* As the bridge has it, and everybody who reads Python. */
static struct trc_slice short_type(struct trc_slice type) {
    static const struct trc_slice module = TRC_SLICE("builtins.");
    bool has = type.len > module.len && memcmp(type.p, module.p, module.len) == 0;
    return has ? (struct trc_slice){type.p + module.len, type.len - module.len} : type;
}

static void ask_plugin(struct uwsgi_plugin *language, struct wsgi_request *wsgi_req) {
    char stack[TRC_SPAN_EXCEPTION_STACK_MAX];
    struct trc_buf text = trc_buf_over(stack, sizeof(stack));
    if (!language->exception_class)
        return;
    struct uwsgi_buffer *type = language->exception_class(wsgi_req);
    struct uwsgi_buffer *message =
        language->exception_msg ? language->exception_msg(wsgi_req) : NULL;
    add_stack(language, wsgi_req, &text);
    const struct trc_python_exception e = {short_type(slice_of(type)), slice_of(message),
                                           trc_buf_slice(&text)};
    trc_bridge_tell_exception((unsigned)wsgi_req->async_id, &e);
    if (type)
        uwsgi_buffer_destroy(type);
    if (message)
        uwsgi_buffer_destroy(message);
}

/* --- The hook --------------------------------------------------------------------------------- */

static void tell(struct wsgi_request *wsgi_req) {
    struct uwsgi_plugin *language = uwsgi.p[wsgi_req->uh->modifier1];
    unsigned core = (unsigned)wsgi_req->async_id;
    /* uWSGI raises one itself when it cannot write to a client that has gone: no fault of the
     * application's. */
    if (wsgi_req->write_errors || !trc_bridge_wants_exception(core))
        return;
    if (!trc_bridge_is_python(language) || !trc_python_describe(core))
        ask_plugin(language, wsgi_req);
}

static void log_exception(struct wsgi_request *wsgi_req) {
    if (wsgi_req)
        tell(wsgi_req);
    /* That there is no request happens to a fiber of Ruby's. */
    original[wsgi_req ? wsgi_req->uh->modifier1 : MODIFIER_RACK](wsgi_req);
}

void trc_exceptions_install(void) {
    for (unsigned i = 0; i <= UINT8_MAX; i++) {
        struct uwsgi_plugin *language = uwsgi.p[i];
        original[i] = language->exception_log;
        for (unsigned k = 0; k < i; k++) /* one plugin may have several places */
            if (uwsgi.p[k] == language)
                original[i] = original[k];
        if (original[i])
            language->exception_log = log_exception;
    }
}
