from django.urls import path

from billing import views

urlpatterns = [
    path("wallet/", views.wallet, name="wallet"),
    path("wallet/top-up/", views.top_up, name="top_up"),
    path("wallet/top-ups/<int:pk>/", views.top_up_page, name="top_up_page"),
    path("wallet/top-ups/<int:pk>/pay/", views.fake_payment, name="fake_payment"),
    path("payments/stripe/", views.stripe_event, name="stripe_event"),
    path("payouts/", views.payouts, name="payouts"),
    path("payouts/<int:pk>/cancel/", views.payout_cancel, name="payout_cancel"),
]
