# SPDX-License-Identifier: MIT
"""What of the plugin lives in the application's interpreter; python.c carries it and runs it there.

It watches frameworks resolve a request, tells the tracer the template of the route, and describes
exceptions. It changes one function of each framework, when the application imports it or has imported
it, and nothing of the application. Whatever goes wrong in here, the application never hears of it.

python.c puts these here before this runs:

    route(core, template)                    of the request that the core serves; nothing comes of it
    wants_exception(core)                    when the core is none, or records no span
    exception(core, type, message, stack)    the last three are bytes
    TYPE_MAX, MESSAGE_MAX, STACK_MAX         how many
"""
import sys

FRAMES_MAX = 32  # innermost ones, of each exception of a chain
CHAIN_MAX = 4
PART_MAX = 1024  # of these for one entry of a traceback
MARK = '__tracing_watched__'


# --- The request ------------------------------------------------------------------------------------

def core_of(environ):
    """The core that serves this request; -1 if it is not uWSGI's own, but a test client's, say.

    The request says so itself, in whatever thread or greenlet it has got into."""
    return environ.get('uwsgi.core', 0) if 'uwsgi.version' in environ else -1


def tell_route(environ, template):
    if template is None or 'uwsgi.version' not in environ:
        return
    # "SHOULD include the application root if there is one": semantic conventions, http.route
    root = environ.get('SCRIPT_NAME')
    if root or template[:1] != '/':
        template = (root or '').rstrip('/') + '/' + template.lstrip('/')
    route(environ.get('uwsgi.core', 0), template)


# --- Frameworks -------------------------------------------------------------------------------------
# Each reads the request's route off the arguments and the result of the function that found it.

def bottle(arguments, result):
    tell_route(arguments[1], result[0].rule)


def django(arguments, match):
    # What was matched by regular expressions is a list of them: ^shop/^items/(?P<pk>[0-9]+)$
    tell_route(arguments[1].META, ('/' + match.route).replace('/^', '/').rstrip('$'))


def falcon(arguments, result):
    tell_route(arguments[1].env, result[3])


def flask(arguments, _):
    request = arguments[0].request
    if request.url_rule is not None:
        tell_route(request.environ, request.url_rule.rule)


def pyramid(arguments, result):
    if result['route'] is not None:
        tell_route(arguments[1].environ, result['route'].pattern)


# Exceptions that a framework is about to turn into a response of status 500.

def django_exception(arguments, _):
    tell_exception(arguments[0].META, *arguments[2])


def flask_exception(arguments, _):
    error = arguments[1]
    tell_exception(sys.modules['flask'].request.environ, type(error), error, error.__traceback__)


# module: what is wrapped in it, who looks, and whether before or after the call
FRAMEWORKS = {
    'bottle': ('Router.match', bottle, 'after'),
    'django.core.handlers.base': ('BaseHandler.resolve_request', django, 'after'),
    'django.core.handlers.exception': ('handle_uncaught_exception', django_exception, 'before'),
    'falcon.app': ('App._get_responder', falcon, 'after'),
    'flask.app': ('Flask.handle_exception', flask_exception, 'before'),
    'flask.ctx': ('RequestContext.match_request', flask, 'after'),
    'pyramid.urldispatch': ('RoutesMapper.__call__', pyramid, 'after'),
}


def wrapped(original, look, when):
    """`original`, which `look` watches."""
    from functools import wraps

    @wraps(original)
    def after(*arguments, **named):
        result = original(*arguments, **named)
        try:
            look(arguments, result)
        except Exception:  # a release of the framework that we do not know
            pass
        return result

    @wraps(original)
    def before(*arguments, **named):
        try:
            look(arguments, None)
        except Exception:
            pass
        return original(*arguments, **named)

    watching = after if when == 'after' else before
    setattr(watching, MARK, True)  # wrappers of others, made by `wraps`, have it from ours
    return watching


def watch(module):
    """Wraps what is to be wrapped in a module that has just been executed, or long ago."""
    try:
        path, look, when = FRAMEWORKS[module.__name__]
        holder, _, name = path.rpartition('.')
        owner = getattr(module, holder) if holder else module
        original = getattr(owner, name)
        if not hasattr(original, MARK):
            setattr(owner, name, wrapped(original, look, when))
    except Exception:
        pass


class Finder:
    """Leaves finding modules to the others, and has those of FRAMEWORKS watched once they are loaded."""

    def __init__(self):
        self.waiting = dict.fromkeys(FRAMEWORKS)

    def find_spec(self, name, path=None, target=None):
        if name not in self.waiting:
            return None
        del self.waiting[name]  # who asks all finders, as we do, comes back here
        try:
            spec = self.ask_others(name, path, target)
        finally:
            self.waiting[name] = None
        if spec is not None and spec.loader is not None:
            self.attach(spec.loader)
        return spec

    def ask_others(self, name, path, target):
        for finder in list(sys.meta_path):
            find = getattr(finder, 'find_spec', None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None:
                return spec
        return None

    @staticmethod
    def attach(loader):
        """The loader stays what it is, for all who look at it; this one does one thing more."""
        try:
            execute = loader.exec_module
            if hasattr(execute, MARK):  # some finders have one loader for many modules
                return

            def exec_module(module):
                execute(module)
                watch(module)

            setattr(exec_module, MARK, True)
            loader.exec_module = exec_module
        except Exception:  # it is of a kind that cannot
            pass


# --- Exceptions -------------------------------------------------------------------------------------

def cut(text, limit):
    """As UTF-8, whole characters of at most `limit` bytes."""
    head = text[:limit].encode('utf-8', 'backslashreplace')[:limit]
    return head.decode('utf-8', 'ignore').encode()


def name_of(kind):
    module = kind.__module__
    return kind.__qualname__ if module == 'builtins' else '%s.%s' % (module, kind.__qualname__)


def text_of(value):
    try:
        return str(value)
    except BaseException:  # as the traceback module has it
        return '<exception str() failed>'


def chain(kind, value, trace):
    """The exception, and what caused it, last things first."""
    for _ in range(CHAIN_MAX):
        yield kind, value, trace
        cause = value.__cause__ or (None if value.__suppress_context__ else value.__context__)
        if cause is None:
            return
        kind, value, trace = type(cause), cause, cause.__traceback__


def stack_of(kind, value, trace):
    """Traceback as Python prints it; the outer frames go when it is too long."""
    import traceback
    left, parts = STACK_MAX, []
    for link in chain(kind, value, trace):
        if parts:
            parts.append(b'\nThat followed from the exception above:\n\n')
        for part in reversed(traceback.format_exception(*link, limit=-FRAMES_MAX, chain=False)):
            parts.append(cut(part.rstrip('\n'), PART_MAX) + b'\n')
    kept = []
    for part in parts:
        left -= len(part)
        if left < 0:
            break
        kept.append(part)
    return b''.join(reversed(kept)).rstrip(b'\n')


def describe(kind, value, trace):
    """(type, message, stack) of an exception, in UTF-8 and bounded. Called from python.c, too."""
    return (cut(name_of(kind), TYPE_MAX), cut(text_of(value), MESSAGE_MAX),
            stack_of(kind, value, trace))


def tell_exception(environ, kind, value, trace):
    core = core_of(environ)
    if wants_exception(core):
        exception(core, *describe(kind, value, trace))


# --- Start ------------------------------------------------------------------------------------------

def start():
    sys.meta_path.insert(0, Finder())
    for name in FRAMEWORKS:
        if name in sys.modules:
            watch(sys.modules[name])


start()
