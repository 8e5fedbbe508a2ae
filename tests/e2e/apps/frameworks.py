# SPDX-License-Identifier: MIT
"""The same small application in each framework, which knows nothing of tracing: FRAMEWORK says which.

    /                home              /fail    raises
    /users/NUMBER    user NUMBER       /slow?ms=N&mark=FILE    says in FILE that it runs, and takes its time
"""
import os
import time


class Oops(Exception):
    pass


def fail():
    raise Oops('on purpose')


def slow(query):
    if 'mark' in query:
        open(query['mark'], 'w').close()
    time.sleep(int(query.get('ms', '10')) / 1000)


def django_application():
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import include, path, re_path

    def user(request, pk):
        return HttpResponse('user %d' % pk, content_type='text/plain')

    def take_time(request):
        slow(request.GET.dict())
        return HttpResponse('slow')

    class Urls:
        urlpatterns = [
            path('', lambda request: HttpResponse('home')),
            path('users/<int:pk>/', user, name='user'),
            path('users/<int:pk>', user),
            re_path('^shop/', include([re_path('^items/(?P<pk>[0-9]+)$', lambda r, pk: user(r, int(pk)))])),
            path('fail', lambda request: fail()),
            path('slow', take_time),
        ]

    settings.configure(ROOT_URLCONF=Urls, SECRET_KEY='x', ALLOWED_HOSTS=['*'], MIDDLEWARE=[],
                       DEBUG_PROPAGATE_EXCEPTIONS='PROPAGATE' in os.environ)
    return get_wsgi_application()


def flask_application():
    from flask import Blueprint, Flask, request
    app = Flask(__name__)
    app.config['PROPAGATE_EXCEPTIONS'] = 'PROPAGATE' in os.environ
    shop = Blueprint('shop', __name__, url_prefix='/shop')
    app.route('/')(lambda: 'home')
    app.route('/users/<int:id>', endpoint='user')(lambda id: 'user %d' % id)
    shop.route('/items/<int:id>', endpoint='item')(lambda id: 'user %d' % id)
    app.register_blueprint(shop)
    app.route('/fail', endpoint='fail')(fail)

    @app.route('/test-client')
    def within():
        """A request that the application makes of itself is none of uWSGI's."""
        return app.test_client().get('/users/7').data

    @app.route('/slow')
    def take_time():
        slow(request.args.to_dict())
        return 'slow'
    return app


def bottle_application():
    import bottle
    app = bottle.Bottle(catchall='PROPAGATE' not in os.environ)
    inner = bottle.Bottle()
    inner.get('/items/<pk:int>')(lambda pk: 'user %d' % pk)
    app.mount('/shop', inner)
    app.get('/')(lambda: 'home')
    app.get('/users/<pk:int>')(lambda pk: 'user %d' % pk)
    app.get('/fail')(fail)
    app.get('/slow')(lambda: slow(dict(bottle.request.query)) or 'slow')
    return app


def falcon_application():
    import falcon

    class Resource:
        def __init__(self, answer):
            self.answer = answer

        def on_get(self, request, response, **fields):
            response.content_type = 'text/plain'
            response.text = self.answer(request, **fields)

    app = falcon.App()
    app.add_route('/', Resource(lambda request: 'home'))
    app.add_route('/users/{pk:int}', Resource(lambda request, pk: 'user %d' % pk))
    app.add_route('/fail', Resource(lambda request: fail()))
    app.add_route('/slow', Resource(lambda request: slow(request.params) or 'slow'))
    return app


def pyramid_application():
    from pyramid.config import Configurator
    from pyramid.response import Response
    views = {
        '/': lambda request: Response('home'),
        '/users/{pk}': lambda request: Response('user ' + request.matchdict['pk']),
        '/fail': lambda request: fail(),
        '/slow': lambda request: slow(dict(request.params)) or Response('slow'),
    }
    with Configurator() as config:
        for number, (pattern, view) in enumerate(views.items()):
            config.add_route(str(number), pattern)
            config.add_view(view, route_name=str(number))
        return config.make_wsgi_app()


def late_application():
    """Imports its framework at its first request, when everything else has long been loaded."""
    made = []

    def application(environ, start):
        if not made:
            made.append(flask_application())
        return made[0](environ, start)
    return application


application = globals()[os.environ['FRAMEWORK'] + '_application']()
