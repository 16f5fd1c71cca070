from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChargersConfig(AppConfig):
    name = "chargers"
    verbose_name = _("Chargers and sessions")

    def ready(self) -> None:
        from accounts import people
        from chargers import correspondence, live  # noqa: F401 - the composers register themselves

        people.SWITCHED.append(live.publish_owner)
