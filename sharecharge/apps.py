from django.apps import AppConfig
from django.conf import settings


class ShareChargeConfig(AppConfig):
    name = "sharecharge"

    def ready(self) -> None:
        from sharecharge import checks  # noqa: F401 - they register themselves

        if settings.SENTRY_DSN:
            from sharecharge import reports  # only then is it loaded

            reports.begin(settings.SENTRY_DSN)
