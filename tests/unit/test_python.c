/* SPDX-License-Identifier: MIT
 *
 * The bridge in a real interpreter: libpython, found and loaded as uWSGI has it loaded.
 */
#include "tracing/log.h"
#include "tracing/python.h"
#include "tracing/span.h"
#include "unit.h"
#include <dlfcn.h>
#include <glob.h>

/* What an interpreter has at its end it does not give back: for LeakSanitizer, which asks for this
 * by name. Beneath its functions ours allocate nothing. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libpython3\nleak:_ctypes\n";
}

static int (*run)(const char *code);

static struct {
    unsigned core, calls;
    char route[256], type[256], message[1024], stack[4096];
} told;

static unsigned log_lines;
static char log_line[1200];

static void copy(char *to, size_t cap, struct trc_slice from) {
    assert_true(from.len < cap);
    memcpy(to, from.p, from.len);
    to[from.len] = 0;
}

static void take_route(unsigned core, struct trc_slice route) {
    told.calls++;
    told.core = core;
    copy(told.route, sizeof(told.route), route);
}

static void take_exception(unsigned core, const struct trc_python_exception *e) {
    told.calls++;
    told.core = core;
    copy(told.type, sizeof(told.type), e->type);
    copy(told.message, sizeof(told.message), e->message);
    copy(told.stack, sizeof(told.stack), e->stack);
}

static bool is_wanted(unsigned core) {
    return core == 1;
}

static const struct trc_python_host host = {take_route, is_wanted, take_exception};

static void take_line(const char *line) {
    log_lines++;
    snprintf(log_line, sizeof(log_line), "%s", line);
}

static void forget(void) {
    memset(&told, 0, sizeof(told));
    log_lines = 0;
    log_line[0] = 0;
}

/* Loads it anew: as if uWSGI were started again. */
static void load(void) {
    forget();
    assert_int_equal(run("import sys\n"
                         "sys.modules.pop('uwsgi_tracing', None)\n"
                         "sys.meta_path[:] = [f for f in sys.meta_path\n"
                         "                    if type(f).__module__ != 'uwsgi_tracing']\n"),
                     0);
    trc_python_load(&host, NULL, 0);
}

static void without_python(void **state) {
    (void)state;
    forget();
    trc_python_load(&host, NULL, 0); /* nothing of Python is in this process yet */
    assert_false(trc_python_describe(0));
    assert_int_equal(log_lines, 0);
    glob_t found;
    assert_int_equal(glob("/usr/lib/*/libpython3.*.so.1.0", 0, NULL, &found), 0);
    assert_non_null(dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_GLOBAL));
    globfree(&found);
    trc_python_load(&host, NULL, 0); /* it is there, and not initialised */
    assert_int_equal(log_lines, 0);
    void (*initialize)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "Py_InitializeEx");
    initialize(0);
    run = (int (*)(const char *))dlsym(RTLD_DEFAULT, "PyRun_SimpleString");
    assert_non_null(run);
}

static void loaded_once(void **state) {
    (void)state;
    load();
    trc_python_load(&host, NULL, 0);
    assert_int_equal(log_lines, 0);
    assert_int_equal(run("import sys\n"
                         "assert [type(f).__module__ for f in sys.meta_path].count("
                         "'uwsgi_tracing') == 1, sys.meta_path\n"
                         "assert 'traceback' not in sys.modules or True\n"),
                     0);
}

static void cannot_be_loaded(void **state) {
    (void)state;
    forget();
    assert_int_equal(run("import sys\n"
                         "kept = sys.meta_path\n"
                         "sys.modules.pop('uwsgi_tracing')\n"
                         "sys.meta_path = None\n"),
                     0);
    trc_python_load(&host, NULL, 0);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(log_line, "tracing-python: not loaded: 'NoneType'"));
    assert_int_equal(run("sys.meta_path = kept\n"
                         "assert 'uwsgi_tracing' not in sys.modules\n"),
                     0);
    load();
    assert_int_equal(log_lines, 0);
}

/* Runs `code` with what is in the bridge as `b`. */
static void with_bridge(const char *code) {
    char all[4096];
    forget();
    snprintf(all, sizeof(all), "import sys; b = sys.modules['uwsgi_tracing']\n%s", code);
    assert_int_equal(run(all), 0);
}

static void routes(void **state) {
    (void)state;
    load();
    with_bridge("b.route(3, '/users/<int:\\u00fc>')");
    assert_int_equal(told.core, 3);
    assert_string_equal(told.route, "/users/<int:\xc3\xbc>");
    with_bridge("b.route(-1, '/')");
    assert_int_equal(told.core, UINT32_MAX);
    with_bridge("b.route(1 << 40, '/')");
    assert_int_equal(told.core, UINT32_MAX);
}

static void misuse(void **state) {
    (void)state;
    load();
    with_bridge(
        "def fails(call, *args):\n"
        "    try: call(*args)\n"
        "    except Exception: return True\n"
        "assert fails(b.route, 'core', '/')\n"
        "assert fails(b.route, 1 << 80, '/')\n"
        "assert fails(b.route, 0, b'/')\n"
        "assert fails(b.route, 0, '\\udcff')\n"
        "assert fails(b.exception, 0, 'type', b'', b'')\n"
        "assert b.route() is None and b.route(0) is None and b.exception(0) is None\n"
        "assert b.exception(0, b'', b'', b'', b'') is None\n");
    assert_int_equal(told.calls, 0);
}

/* What a framework is watched by, without one. */
static void environs(void **state) {
    (void)state;
    load();
    with_bridge("b.tell_route({'uwsgi.version': b'2', 'uwsgi.core': 2}, 'users/')");
    assert_int_equal(told.core, 2);
    assert_string_equal(told.route, "/users/");
    with_bridge("b.tell_route({'uwsgi.version': b'2', 'SCRIPT_NAME': '/shop/'}, '/users')");
    assert_int_equal(told.core, 0);
    assert_string_equal(told.route, "/shop/users");
    with_bridge("b.tell_route({'uwsgi.core': 2}, '/')"); /* a test client's */
    assert_int_equal(told.calls, 0);
    with_bridge("b.tell_route({'uwsgi.version': b'2'}, None)");
    assert_int_equal(told.calls, 0);
}

static void wrappers(void **state) {
    (void)state;
    load();
    with_bridge(
        "import inspect\n"
        "def resolve(self, path, *, more=1):\n"
        "    'doc'\n"
        "    if path is None: raise KeyError('mine')\n"
        "    return path\n"
        "def look(arguments, result): raise TypeError('ours')\n"
        "w = b.wrapped(resolve, look, 'after')\n"
        "assert w(1, 'x', more=2) == 'x'\n"
        "assert w.__name__ == 'resolve' and w.__doc__ == 'doc'\n"
        "assert w.__module__ == resolve.__module__\n"
        "assert inspect.signature(w) == inspect.signature(resolve)\n"
        "try: w(1, None)\n"
        "except KeyError as e: assert e.__context__ is None and e.args == ('mine',)\n"
        "else: assert 0\n"
        "v = b.wrapped(resolve, look, 'before')\n"
        "assert v(1, 'x') == 'x'\n"
        "try: v(1, None)\n"
        "except KeyError as e: assert e.__context__ is None\n"
        "else: assert 0\n");
}

/* A framework that has changed beyond knowing: what is to be watched is not there, or is another
 * thing. */
static void unknown_releases(void **state) {
    (void)state;
    load();
    with_bridge(
        "import types\n"
        "for name in b.FRAMEWORKS:\n"
        "    b.watch(types.ModuleType(name))\n"
        "m = types.ModuleType('bottle')\n"
        "m.Router = type('Router', (), {'match': lambda self, environ: None})\n"
        "b.watch(m); b.watch(m)\n"
        "assert m.Router().match({}) is None\n"
        "assert not hasattr(m.Router.match.__wrapped__, '__wrapped__')\n"
        "b.watch(types.ModuleType('other'))\n");
    assert_int_equal(told.calls, 0);
}

/* Raises in Python and leaves the exception set in C, as it is when uWSGI comes to log it. */
static void raise(const char *code) {
    static void *(*import_main)(const char *);
    static void *(*get_dict)(void *), *(*run_string)(const char *, int, void *, void *);
    import_main = (void *(*)(const char *))dlsym(RTLD_DEFAULT, "PyImport_AddModule");
    get_dict = (void *(*)(void *))dlsym(RTLD_DEFAULT, "PyModule_GetDict");
    run_string = (void *(*)(const char *, int, void *, void *))dlsym(RTLD_DEFAULT, "PyRun_String");
    void *dict = get_dict(import_main("__main__"));
    assert_null(run_string(code, 257, dict, dict));
}

static void clear(void) {
    ((void (*)(void))dlsym(RTLD_DEFAULT, "PyErr_Clear"))();
}

static bool is_set(void) {
    return ((void *(*)(void))dlsym(RTLD_DEFAULT, "PyErr_Occurred"))() != NULL;
}

static void exceptions(void **state) {
    (void)state;
    load();
    assert_false(trc_python_describe(1)); /* there is none */
    raise("def f(): raise ValueError('on purpose')\nf()\n");
    assert_true(trc_python_describe(1));
    assert_true(is_set());
    assert_int_equal(told.core, 1);
    assert_string_equal(told.type, "ValueError");
    assert_string_equal(told.message, "on purpose");
    assert_string_equal(told.stack,
                        "Traceback (most recent call last):\n"
                        "  File \"<string>\", line 2, in <module>\n"
                        "  File \"<string>\", line 1, in f\n"
                        "ValueError: on purpose");
    clear();
    raise("class A:\n  class B(Exception): pass\nraise A.B\n");
    assert_true(trc_python_describe(1));
    assert_string_equal(told.type, "__main__.A.B");
    assert_string_equal(told.message, "");
    clear();
}

/* As a framework tells of those that it makes a response of. */
static void told_by_frameworks(void **state) {
    (void)state;
    load();
    with_bridge(
        "e = ValueError('on purpose')\n"
        "b.tell_exception({'uwsgi.version': b'2', 'uwsgi.core': 2}, ValueError, e, None)");
    assert_int_equal(told.calls, 0); /* not wanted there */
    with_bridge("b.tell_exception({'uwsgi.version': b'2', 'uwsgi.core': 1}, ValueError, e, None)");
    assert_int_equal(told.calls, 1);
    assert_string_equal(told.type, "ValueError");
    assert_string_equal(told.stack, "ValueError: on purpose");
}

static void bounds(void **state) {
    (void)state;
    load();
    raise(
        "class K(Exception): pass\n"
        "K.__qualname__ = '\\u00e9' * 1000\n"
        "def f(n):\n"
        "    if n: f(n - 1)\n"
        "    else: raise K('\\u00e9' * 100000 + '\\udc80')\n"
        "f(300)\n");
    assert_true(trc_python_describe(1));
    assert_in_range(strlen(told.type), TRC_SPAN_EXCEPTION_TYPE_MAX - 1,
                    TRC_SPAN_EXCEPTION_TYPE_MAX);
    assert_int_equal(strlen(told.message), TRC_SPAN_EXCEPTION_MESSAGE_MAX);
    assert_in_range(strlen(told.stack), 200, TRC_SPAN_EXCEPTION_STACK_MAX);
    clear();
    /* Many in a chain, of which one leads to itself. */
    raise(
        "def g(n):\n"
        "    try:\n"
        "        if n: g(n - 1)\n"
        "        else: 1 / 0\n"
        "    except Exception as e: raise KeyError(n) from e\n"
        "g(40)\n");
    assert_true(trc_python_describe(1));
    assert_in_range(strlen(told.stack), 200, TRC_SPAN_EXCEPTION_STACK_MAX);
    clear();
}

static void without_a_bridge(void **state) {
    (void)state;
    load();
    assert_int_equal(run("import sys; del sys.modules['uwsgi_tracing']"), 0);
    raise("1 / 0");
    assert_false(trc_python_describe(0));
    assert_true(is_set());
    clear();
    load();
    assert_int_equal(run("sys.modules['uwsgi_tracing'].describe = lambda *a: ('no', 'bytes')"), 0);
    raise("1 / 0");
    assert_false(trc_python_describe(0));
    assert_true(is_set());
    clear();
    assert_int_equal(told.calls, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_python), /* first: it starts Python */
        cmocka_unit_test(loaded_once),      cmocka_unit_test(cannot_be_loaded),
        cmocka_unit_test(routes),           cmocka_unit_test(misuse),
        cmocka_unit_test(environs),         cmocka_unit_test(wrappers),
        cmocka_unit_test(unknown_releases), cmocka_unit_test(exceptions),
        cmocka_unit_test(bounds),           cmocka_unit_test(told_by_frameworks),
        cmocka_unit_test(without_a_bridge),
    };
    trc_log_to(take_line);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
