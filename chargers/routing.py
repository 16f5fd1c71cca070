"""Addresses of the sockets of pages and, below `/ws/v1/`, of programs."""

from django.urls import path, re_path

from chargers import consumers
from chargers.api import consumers as listeners

websocket_urlpatterns = [
    path("ws/v1/chargers", listeners.ChargersListener.as_asgi()),
    path("ws/v1/chargers/<int:pk>", listeners.ChargerListener.as_asgi()),
    path("ws/v1/chargers/<int:pk>/attempts", listeners.AttemptsListener.as_asgi()),
    path("ws/v1/sessions", listeners.SessionsListener.as_asgi()),
    path("ws/v1/sessions/<int:pk>", listeners.SessionListener.as_asgi()),
    path("ws/v1/commands/<int:pk>", listeners.CommandListener.as_asgi()),
    path("ws/map/", consumers.MapConsumer.as_asgi()),
    path("ws/places/<slug:code>/", consumers.PlaceConsumer.as_asgi()),
    path("ws/chargers/<int:pk>/", consumers.ChargerConsumer.as_asgi()),
    path("ws/dashboard/", consumers.DashboardConsumer.as_asgi()),
    path("ws/sessions/<int:pk>/", consumers.SessionConsumer.as_asgi()),
    path("ws/commands/<int:pk>/", consumers.CommandConsumer.as_asgi()),
    path("ws/claim/", consumers.ClaimConsumer.as_asgi()),
    re_path(r"^ws/", consumers.NowhereConsumer.as_asgi()),
]
