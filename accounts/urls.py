from django.urls import path

from accounts import views

urlpatterns = [
    path("i18n/setlang/", views.switch_language, name="set_language"),
    path("profile/mails/", views.mails, name="mails"),
    path("profile/", views.profile, name="profile"),
    path("cards/", views.cards, name="cards"),
    path("cards/<int:pk>/switch/", views.card_switch, name="card_switch"),
    path("cards/<int:pk>/name/", views.card_name, name="card_name"),
    path("cards/<int:pk>/delete/", views.card_delete, name="card_delete"),
    path("my/become-owner/", views.become_owner, name="become_owner"),
]
