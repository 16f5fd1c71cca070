"""Addresses of the browser's sockets, all below `/ws/`."""

from django.urls import path, re_path

from chargers import consumers

websocket_urlpatterns = [
    path("ws/map/", consumers.MapConsumer.as_asgi()),
    path("ws/places/<slug:code>/", consumers.PlaceConsumer.as_asgi()),
    path("ws/chargers/<int:pk>/", consumers.ChargerConsumer.as_asgi()),
    path("ws/dashboard/", consumers.DashboardConsumer.as_asgi()),
    path("ws/sessions/<int:pk>/", consumers.SessionConsumer.as_asgi()),
    path("ws/commands/<int:pk>/", consumers.CommandConsumer.as_asgi()),
    path("ws/claim/", consumers.ClaimConsumer.as_asgi()),
    re_path(r"^ws/", consumers.NowhereConsumer.as_asgi()),
]
