"""Addresses of the browser's sockets, below `/ws/`."""

from django.urls import path

from chargers import consumers

websocket_urlpatterns = [
    path("map/", consumers.MapConsumer.as_asgi()),
    path("places/<slug:code>/", consumers.PlaceConsumer.as_asgi()),
    path("chargers/<int:pk>/", consumers.ChargerConsumer.as_asgi()),
    path("sessions/<int:pk>/", consumers.SessionConsumer.as_asgi()),
    path("commands/<int:pk>/", consumers.CommandConsumer.as_asgi()),
]
