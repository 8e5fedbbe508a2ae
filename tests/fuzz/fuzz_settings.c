/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the readers of options and environment variables: lines of NAME=VALUE. Names of options
 * set options, others the environment.
 */
#include "tracing/log.h"
#include "tracing/settings.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Settings live for good. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static void ignore(const char *line) {
    (void)line;
}

/* What no input may lead to: a header that is two, an exporter that is not complete. */
static void look_at(const struct trc_settings *settings) {
    for (unsigned w = 0; w < TRC_WIRE_COUNT; w++)
        for (unsigned i = 0; i < TRC_HTTP_HEADERS_MAX && settings->http[w].headers[i]; i++)
            if (strpbrk(settings->http[w].headers[i], "\r\n") ||
                !strstr(settings->http[w].headers[i], ": "))
                abort();
    for (unsigned i = 0; i < settings->exporter_count; i++)
        if (!settings->exporter[i].endpoint.http || !settings->exporter[i].max_bytes)
            abort();
    if (settings->origin_count >= TRC_ORIGINS_MAX || !settings->service.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trc_options options;
    static struct trc_settings settings;
    char error[TRC_ERROR_LINE_MAX], *text = strndup((const char *)data, size), *next = text;
    memset(&options, 0, sizeof(options));
    trc_log_to(ignore);
    clearenv();
    for (char *line; text && (line = strsep(&next, "\n"));) {
        char *eq = strchr(line, '=');
        int option = 0;
        if (!eq || eq == line)
            continue;
        *eq = '\0';
        while (option < TRC_OPT_COUNT && strcmp(trc_option_table[option].name, line) != 0)
            option++;
        if (option < TRC_OPT_COUNT)
            trc_options_add(&options, option, eq + 1);
        else
            setenv(line, eq + 1, 1);
    }
    if (trc_settings_make(&options, "/srv/app", &settings, error) == 0)
        look_at(&settings);
    else if (!error[0] || strchr(error, '\n'))
        abort();
    free(text);
    return 0;
}
