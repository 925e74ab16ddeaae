"""The URLs that Django's views answer. Those of the consumers are in ``routing/urls.py``."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from django.views.generic import RedirectView

from consumers.catalogue import CATALOGUE
from routing.urls import is_mounted
from sandbox.site import views

urlpatterns = [
    path("choose/", views.choose, name="choose"),
    path("", views.index, name="index"),
    path("matrix/", views.matrix, name="matrix"),
    path("matrix/result.json", views.matrix_result, name="matrix-result"),
    path("race/", views.race, name="race"),
    path("stall/", views.stall, name="stall"),
    path("source/", views.source, name="source"),
    path("rooms/", views.rooms, name="rooms"),
    path("rooms/bots/", views.bots, name="bots"),
    path("scope/", views.scope, name="scope"),
    path("docs/", RedirectView.as_view(pattern_name="document"), {"name": "README"}),
    path("docs/<slug:name>/", views.document, name="document"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("exhibits/<slug:edition>/<slug:slug>/", views.exhibit, name="exhibit"),
    path("exhibits/<slug:edition>/<slug:slug>/wire/", views.wire, name="wire"),
    # A WebSocket URL opened as a web page. HTTP exhibits answer for themselves: their URLs are here
    # for those who leave out the slash at the end.
    *(
        path(route, views.upgrade_required, {"exhibit": exhibit})
        for exhibit in CATALOGUE
        if is_mounted(exhibit)
        for route in exhibit.routes
    ),
]
