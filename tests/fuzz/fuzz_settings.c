/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the readers of options and environment variables: lines of NAME=VALUE. Names of options
 * set options, others the environment.
 */
#include "tracing/log.h"
#include "tracing/settings.h"
#include <sanitizer/allocator_interface.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCKS_MAX 4096 /* that one input leaves: more than it has lines for */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- Settings live for good; here with their input -------------------------------------------- */

static const volatile void *blocks[BLOCKS_MAX];
static unsigned block_count;
static bool making;

static void note_malloc(const volatile void *p, size_t size) {
    (void)size;
    if (!making)
        return;
    if (block_count == BLOCKS_MAX)
        abort();
    blocks[block_count++] = p;
}

static void note_free(const volatile void *p) {
    for (unsigned i = block_count; making && i-- > 0;)
        if (blocks[i] == p) {
            blocks[i] = blocks[--block_count];
            return;
        }
}

static int make(const struct trc_options *options, struct trc_settings *out, char *error) {
    making = true;
    int rc = trc_settings_make(options, "/srv/app", out, error);
    making = false;
    return rc;
}

static void free_blocks(void) {
    while (block_count > 0)
        free((void *)blocks[--block_count]);
}

/* --- The input -------------------------------------------------------------------------------- */

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

/* Takes the lines apart, in place. */
static void read_lines(char *text, struct trc_options *options) {
    static char *variables[1024];
    unsigned count = 0;
    for (char *line; (line = strsep(&text, "\n"));) {
        char *eq = strchr(line, '=');
        int option = 0;
        if (!eq || eq == line)
            continue;
        *eq = '\0';
        while (option < TRC_OPT_COUNT && strcmp(trc_option_table[option].name, line) != 0)
            option++;
        if (option < TRC_OPT_COUNT) {
            trc_options_add(options, option, eq + 1);
        } else if (count < sizeof(variables) / sizeof(variables[0]) - 1) {
            *eq = '=';
            variables[count++] = line;
        }
    }
    variables[count] = NULL;
    environ = variables;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trc_options options;
    static struct trc_settings settings;
    static bool hooked;
    char error[TRC_ERROR_LINE_MAX], *text = strndup((const char *)data, size);
    if (!text || (!hooked && !__sanitizer_install_malloc_and_free_hooks(note_malloc, note_free)))
        abort();
    hooked = true;
    memset(&options, 0, sizeof(options));
    trc_log_to(ignore);
    read_lines(text, &options);
    if (make(&options, &settings, error) == 0)
        look_at(&settings);
    else if (!error[0] || strchr(error, '\n'))
        abort();
    free_blocks();
    environ = NULL;
    free(text);
    return 0;
}
