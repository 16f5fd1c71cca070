from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChargersConfig(AppConfig):
    name = "chargers"
    verbose_name = _("Chargers and sessions")

    def ready(self) -> None:
        from chargers import correspondence  # noqa: F401 - the composers register themselves
