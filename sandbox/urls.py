"""The URLs that Django's views answer. Those of the consumers are in ``routing/urls.py``."""

from django.urls import path

from sandbox import views

urlpatterns = [path("", views.index, name="index")]
