from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path

import accounts.views
from sharecharge import api, views, webapp

# Operators log in where everybody does; whoever is no operator is told so.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.prometheus, name="metrics"),
    path("manifest.webmanifest", webapp.manifest, name="manifest"),
    path("worker.js", webapp.worker, name="worker"),
    path("offline/", webapp.offline, name="offline"),
    re_path(r"^ocpp(?:/.*)?$", views.wallbox_address),
    path("api/", include(api.urlpatterns)),
    path("accounts/logout/", accounts.views.Logout.as_view(), name="account_logout"),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("billing.urls")),
    path("", include("chargers.urls")),
]

handler404 = "sharecharge.views.not_found"
handler500 = "sharecharge.views.server_error"
