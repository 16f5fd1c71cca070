from django.urls import path

from chargers.views import owners, people, places, sessions

urlpatterns = [
    path("", places.charger_map, name="map"),
    path("map/data/", places.map_data, name="map_data"),
    path("map/search/", places.map_search, name="map_search"),
    path("c/<slug:code>/", places.charger_page, name="charger"),
    path("c/<slug:code>", places.charger_page),  # what people type from a sticker
    path("c/<slug:code>/qr.svg", places.charger_qr, name="charger_qr"),
    path("c/<slug:code>/report/", places.charger_report, name="charger_report"),
    path("c/<slug:code>/start/<int:number>/", places.charger_start, name="charger_start"),
    path("commands/<int:pk>/", places.command_page, name="command"),
    path("sessions/", sessions.session_list, name="sessions"),
    path("sessions/export.csv", sessions.session_export, name="session_export"),
    path("sessions/<int:pk>/", sessions.session_page, name="session"),
    path("sessions/<int:pk>/course/", sessions.session_course, name="session_course"),
    path("sessions/<int:pk>/stop/", sessions.session_stop, name="session_stop"),
    path("sessions/<int:pk>/release/", sessions.session_release, name="session_release"),
    path("cards/claim/", people.card_claim, name="card_claim"),
    path("profile/delete/", people.leave, name="leave"),
    path("my/sessions/", owners.hosted_sessions, name="hosted_sessions"),
    path("my/chargers/", owners.my_chargers, name="my_chargers"),
    path("my/chargers/add/", owners.charger_add, name="charger_add"),
    path("my/chargers/<int:pk>/", owners.charger_manage, name="charger_manage"),
    path("my/chargers/<int:pk>/label/", owners.charger_label, name="charger_label"),
    path("my/chargers/<int:pk>/edit/", owners.charger_edit, name="charger_edit"),
    path("my/chargers/<int:pk>/connectors/<int:number>/", owners.connector_edit, name="connector_edit"),
    path("my/chargers/<int:pk>/sharing/", owners.charger_sharing, name="charger_sharing"),
    path("my/chargers/<int:pk>/access/", owners.charger_access, name="charger_access"),
    path("my/chargers/<int:pk>/password/", owners.charger_password, name="charger_password"),
    path("my/chargers/<int:pk>/delete/", owners.charger_delete, name="charger_delete"),
]
