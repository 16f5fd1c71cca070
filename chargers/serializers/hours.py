"""Weekly hours as programs see them: windows of local time, each with the day on which it begins."""

import re
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.rest.serializers import Serializer
from chargers.hours import ALWAYS, OF_DAY, Week, Window, clock_time, week_of
from chargers.models import Charger

DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_WINDOWS = 7 * OF_DAY // 2
TIME = re.compile(r"([01]\d|2[0-3]):(00|30)")
MIDNIGHT = "24:00"


@extend_schema_field({"type": "string", "pattern": r"^([01]\d|2[0-3]):(00|30)$|^24:00$", "examples": ["17:00"]})
class HalfHourField(serializers.Field[int, str, str, Any]):
    """ "17:30" as half-hours since midnight."""

    default_error_messages = {"time": _("Write a full or half hour, such as 17:00 or 17:30.")}

    def __init__(self, *, takes_midnight: bool = False, **options: Any) -> None:
        self.takes_midnight = takes_midnight
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> int:
        if self.takes_midnight and data == MIDNIGHT:
            return OF_DAY
        found = TIME.fullmatch(data) if isinstance(data, str) else None
        if found is None:
            self.fail("time")
        return int(found[1]) * 2 + (found[2] == "30")

    def to_representation(self, half_hours: int) -> str:
        return MIDNIGHT if half_hours == OF_DAY else f"{clock_time(half_hours):%H:%M}"


class WindowSerializer(Serializer):
    """Open from one time to another; up to a time that is not later, it is open until then on the next day."""

    default_error_messages = {"same": _("This ends when it begins. For all day write 00:00 to 24:00.")}

    day = serializers.ChoiceField(choices=DAY_NAMES, help_text="On which it begins.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a word of Python's.
        times = {
            "from": HalfHourField(source="begin", help_text="Local time, a full or half hour: 17:00."),
            "to": HalfHourField(source="end", takes_midnight=True, help_text="The same, up to 24:00."),
        }
        return super().get_fields() | times

    def to_internal_value(self, data: Any) -> Any:
        """All of it is needed, also where a PATCH leaves out other things."""
        window = super().to_internal_value(data)
        missing = {name: field for name, field in self.fields.items() if field.source not in window}
        if missing:
            faults = {name: field.error_messages["required"] for name, field in missing.items()}
            raise serializers.ValidationError(faults, code="required")
        return window

    def validate(self, attributes: dict[str, Any]) -> dict[str, Any]:
        if attributes["begin"] == attributes["end"]:
            raise serializers.ValidationError({"to": self.error_messages["same"]}, code="same")
        return attributes

    def to_representation(self, window: Window) -> Any:
        return super().to_representation({"day": DAY_NAMES[window.day], "begin": window.begin, "end": window.end})


class HoursField(serializers.ListSerializer[Any]):
    """A week as its windows; null is "at any time"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=WindowSerializer(), max_length=MOST_WINDOWS, allow_null=True, **options)

    def get_attribute(self, charger: Charger) -> Week | None:
        return None if charger.week.is_always else charger.week

    def run_validation(self, data: Any = serializers.empty) -> Week:
        return super().run_validation(data) or ALWAYS

    def to_internal_value(self, data: Any) -> Week:
        return week_of(_windows(super().to_internal_value(data)))

    def to_representation(self, week: Any) -> Any:
        return super().to_representation(week.windows())


def _windows(asked: Sequence[dict[str, Any]]) -> list[Window]:
    days = {name: day for day, name in enumerate(DAY_NAMES)}
    ends = [it["end"] + OF_DAY * (it["end"] <= it["begin"]) for it in asked]
    return [Window(days[it["day"]], it["begin"], end) for it, end in zip(asked, ends, strict=True)]
