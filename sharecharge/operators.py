"""The operators' admin: Django's own, with a first page that says how the platform is."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.template.response import TemplateResponse


class OperatorsConfig(AdminConfig):
    default_site = "sharecharge.operators.OperatorsSite"


class OperatorsSite(admin.AdminSite):
    site_header = site_title = "ShareCharge"
    # It takes the room that our wide lists need, and moves the page when its script has loaded.
    enable_nav_sidebar = False

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from chargers import board  # the models are there by now

        return super().index(request, {**(extra_context or {}), "groups": board.groups()})
