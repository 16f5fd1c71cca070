"""What owners type about their chargers, and what drivers look for on the map."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils import formats, timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.rest.filters import EARLIEST, LATEST
from billing import units
from billing.forms import MoneyField, ScaledField
from chargers import authorization, control, opening, pictures, settlement
from chargers.hours import ALWAYS, DAYS, HALF_HOUR_MINUTES, OF_DAY, Week, Window, clock_time, week_of
from chargers.models import Charger, ChargingSession, Connector, Photo, ProblemReport
from chargers.models.fleet import ChargerQuerySet
from chargers.models.photos import DESCRIPTION_LIMIT
from chargers.models.problems import TEXT_LIMIT
from chargers.models.sessions import SessionQuerySet
from chargers.registry import OWNERS_PRICE_LIMIT, POWER_LIMIT_W


class DegreesField(forms.FloatField):
    """A coordinate; people write it with a point or, in Czech, with a comma."""

    def __init__(self, *, limit: int, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(min_value=-limit, max_value=limit, widget=widget, **kwargs)

    def to_python(self, value: Any) -> Any:
        return super().to_python(str(value).strip().rstrip("°NE").replace(",", ".") if value else value)

    def prepare_value(self, value: Any) -> Any:
        return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


class DayInput(forms.DateInput):
    """The browser's own calendar; it sends and takes ISO dates in every language."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


class DayField(forms.DateField):
    """A day of our time: others overflow somewhere on the way to the database."""

    widget = DayInput
    default_error_messages = {"unlikely": _("Choose a day between the years 2000 and 2100.")}

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day is not None and not EARLIEST.date() <= day <= LATEST.date():
            raise forms.ValidationError(self.error_messages["unlikely"], code="unlikely")
        return day

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"min": EARLIEST.date().isoformat(), "max": LATEST.date().isoformat()}


class PlaceForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Everybody sees it: do not write an address."))
    street = forms.CharField(label=_("Street"), max_length=100, required=False)
    house_number = forms.CharField(label=_("House number"), max_length=20, required=False)
    city = forms.CharField(label=_("Town"), max_length=100, help_text=_("Everybody sees it."))
    postal_code = forms.CharField(label=_("Postal code"), max_length=20, required=False)
    latitude = DegreesField(label=_("Latitude"), limit=90)
    longitude = DegreesField(label=_("Longitude"), limit=180)
    # Its two answers are told in position_choice.html.
    is_position_public = forms.BooleanField(label=_("What everybody sees"), required=False, widget=forms.RadioSelect())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        # Nobody charges in the Gulf of Guinea: two zeros are a position that was never chosen.
        if cleaned.get("latitude") == cleaned.get("longitude") == 0:
            self.add_error("latitude", _("Click your place on the map."))
        return cleaned


class ChargerForm(PlaceForm):
    access = forms.ChoiceField(
        label=_("Who may use it"),
        choices=Charger.Access.choices,
        initial=Charger.Access.PRIVATE,
        help_text=_("You can change this at any time. Your own charging is always free of charge."),
    )


class AccessForm(forms.Form):
    access = forms.ChoiceField(label=_("Who may use it"), choices=Charger.Access.choices)


class TimeInput(forms.TimeInput):
    """The browser's own clock; it sends and takes 24 hours in every language."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__({"step": 1800}, format="%H:%M")


class HalfHourField(forms.TimeField):
    """A full or half hour, as half-hours since midnight; None when it is empty."""

    def __init__(self, **kwargs: Any) -> None:
        written = ["%H:%M", "%H:%M:%S", "%H.%M"]
        super().__init__(required=False, input_formats=written, widget=TimeInput(), **kwargs)

    def clean(self, value: Any) -> int | None:
        at = super().clean(value)
        if at is not None and at.minute % HALF_HOUR_MINUTES:
            raise forms.ValidationError(_("Write a full or half hour, such as 17:00 or 17:30."), code="time")
        return at and at.hour * 2 + at.minute // HALF_HOUR_MINUTES

    def prepare_value(self, value: Any) -> Any:
        return clock_time(value) if isinstance(value, int) else value


class HoursForm(forms.Form):
    """The weekly hours, day by day, each with two windows, or more where a program has set more."""

    KEYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    KINDS = (("closed", _("closed all day")), ("all", _("open all day")), ("hours", _("at these times")))
    WHEN = (("always", _("At any time")), ("hours", _("Only at these hours")))

    when = forms.ChoiceField(label=_("When others may use it"), choices=WHEN)

    def __init__(self, week: Week, data: Any = None) -> None:
        windows = [[it for it in week.windows() if it.day == day] for day in range(DAYS)]
        self.per_day = max(2, *map(len, windows))
        initial: dict[str, Any] = {"when": "always" if week.is_always else "hours"}
        self.tails = [None if of_day else opening.tail(week, day) for day, of_day in enumerate(windows)]
        for key, of_day in zip(self.KEYS, windows, strict=True):
            is_all_day = week.is_always or any(it.is_all_day for it in of_day)
            initial[f"{key}_kind"] = "all" if is_all_day else "hours" if of_day else "closed"
            for number, window in enumerate([] if is_all_day else of_day):
                initial |= {f"{key}_from{number}": window.begin, f"{key}_to{number}": window.end % OF_DAY}
        super().__init__(data, initial=initial)
        for day, key in enumerate(self.KEYS):
            self.fields[f"{key}_kind"] = forms.ChoiceField(label=WEEKDAYS[day], choices=self.KINDS)
            for number in range(self.per_day):
                self.fields[f"{key}_from{number}"] = HalfHourField(label=_("From"))
                self.fields[f"{key}_to{number}"] = HalfHourField(label=_("To"))

    @property
    def days(self) -> list[dict[str, Any]]:
        """For the page: each day's choice, its times in pairs, whether the later pairs are used, and what is open
        there of the day before."""
        return [
            {
                "kind": self[f"{key}_kind"],
                "first": pairs[0],
                "more": pairs[1:],
                "has_more": _are_used(pairs[1:]),
                "fields": [self[f"{key}_kind"], *chain(*pairs)],
                "tail": _tail_text(tail),
            }
            for key, tail in zip(self.KEYS, self.tails, strict=True)
            if (pairs := [(self[f"{key}_from{it}"], self[f"{key}_to{it}"]) for it in range(self.per_day)])
        ]

    def clean(self) -> dict[str, Any]:
        """With the whole as `week`."""
        cleaned = super().clean() or self.cleaned_data
        for name in self._unasked(cleaned):
            self.errors.pop(name, None)
        if cleaned.get("when") == "hours":
            windows = dict(pair for day in range(DAYS) for pair in self._windows(day, cleaned))
            self._refuse_overlaps(windows)
            cleaned["week"] = week_of(windows.values())
        else:
            cleaned["week"] = ALWAYS
        return cleaned

    def _unasked(self, cleaned: dict[str, Any]) -> list[str]:
        """What the page does not show, as things are chosen: nobody could mend it there."""
        days = {key for key in self.KEYS if cleaned.get("when") == "always" or cleaned.get(f"{key}_kind") != "hours"}
        return [name for name in self.fields if name != "when" and name[:3] in days and not name.endswith("_kind")]

    def _refuse_overlaps(self, windows: dict[str, Window]) -> None:
        """One of the two is a slip. A day that is open throughout may swallow the end of the evening before."""
        timed = [(name, window) for name, window in windows.items() if not window.is_all_day]
        for at, (name, window) in enumerate(timed):
            other = next((it for _name, it in timed[:at] if it.overlaps(window)), None)
            if other is not None:
                words = {"day": WEEKDAYS[other.day], "times": opening.window_text(other, [other.day])}
                self.add_error(name, _("These hours overlap with those of %(day)s, %(times)s.") % words)

    def _windows(self, day: int, cleaned: dict[str, Any]) -> Iterator[tuple[str, Window]]:
        """Each with the name of the field where it begins."""
        key = self.KEYS[day]
        if cleaned.get(f"{key}_kind") == "all":
            yield f"{key}_kind", Window(day, 0, OF_DAY)
        if cleaned.get(f"{key}_kind") != "hours":
            return
        names = [(f"{key}_from{number}", f"{key}_to{number}") for number in range(self.per_day)]
        if not any(self[name].data for pair in names for name in pair):
            self.add_error(names[0][0], _("Say from when to when, or choose “closed all day”."))
        for begin_name, end_name in names:
            begin, end = cleaned.get(begin_name), cleaned.get(end_name)
            if begin is not None and end is not None and self._is_window(begin, end, end_name):
                yield begin_name, Window(day, begin, end if end > begin else end + OF_DAY)
            for name, other in ((begin_name, end_name), (end_name, begin_name)):
                if self[other].data and not self[name].data:
                    self.add_error(name, _("This time is missing."))

    def _is_window(self, begin: int, end: int, end_name: str) -> bool:
        """From midnight to midnight is all day; any other time to the same is a slip."""
        if begin == end != 0:
            self.add_error(end_name, _("This ends when it begins. Choose “open all day” for all of it."))
        return begin != end or end == 0


def _are_used(pairs: list[tuple[forms.BoundField, forms.BoundField]]) -> bool:
    return any(field.value() not in (None, "") or field.errors for pair in pairs for field in pair)


def _tail_text(tail: Window | None) -> str:
    if tail is None:
        return ""
    end = opening.time_text(clock_time(tail.end))
    return str(_("Until %(end)s it is still open from the day before.") % {"end": end})


class PhotoForm(forms.Form):
    """What is said of a photo."""

    description = forms.CharField(
        label=_("What is to be seen"),
        max_length=DESCRIPTION_LIMIT,
        help_text=_("For people who cannot see it. Do not write an address."),
    )
    audience = forms.ChoiceField(
        label=_("Who sees it"), choices=Photo.Audience.choices, initial=Photo.Audience.EVERYBODY
    )

    @classmethod
    def of(cls, photo: Photo, data: Any = None) -> "PhotoForm":
        """Each photo on the page has field names of its own."""
        initial = {"description": photo.description, "audience": photo.audience}
        return cls(data, initial=initial, prefix=f"photo{photo.pk}")


class NewPhotoForm(PhotoForm):
    """What the file holds, `pictures.make` looks at. A phone offers its camera, and makes a JPEG of what it has."""

    file = forms.FileField(
        label=_("Photo"),
        help_text=_("JPEG, PNG or WebP, at most 10 MB. Where it was taken is removed from the file."),
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
    )
    field_order = ("file", "description", "audience")

    def clean_file(self) -> UploadedFile:
        """By what it says of itself, before any of it is read into memory."""
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > pictures.MOST_BYTES:
            raise forms.ValidationError(pictures.TOO_LARGE, code="photo_too_large")
        return file


def _exact_kw(power_w: int) -> str:
    """4140 → "4.14 kW": a bound that is rounded would be refused where it is typed."""
    return f"{formats.number_format((Decimal(power_w) / 1000).normalize(), use_l10n=True)}{units.NO_BREAK}kW"


class LimitForm(forms.Form):
    """How much a whole charger may take."""

    limit_w = ScaledField(
        label=_("Power at most (kW)"), places=3, low=control.LIMITS_W[0], high=control.LIMITS_W[1], show=_exact_kw
    )


class AnswerForm(forms.Form):
    text = forms.CharField(label=_("Your answer"), max_length=TEXT_LIMIT, widget=forms.Textarea(attrs={"rows": 4}))


class ConnectorForm(forms.Form):
    type = forms.ChoiceField(label=_("Plug"), choices=[("", _("not known")), *Connector.Type.choices], required=False)
    current = forms.ChoiceField(label=_("Current"), choices=Connector.Current.choices)
    max_power_w = ScaledField(
        label=_("Power (kW)"), places=3, low=100, high=POWER_LIMIT_W, show=units.kw, required=False
    )
    price_per_kwh = MoneyField(
        high=OWNERS_PRICE_LIMIT,
        too_high=_("A price is at most %(high)s per kWh. Look at the decimal point."),
        required=False,
        help_text=_("Empty: others cannot start here. 0: free of charge."),
    )
    is_enabled = forms.BooleanField(label=_("May be used"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price_per_kwh"].label = _("Price per kWh (%(currency)s)") % {"currency": units.symbol()}

    @classmethod
    def of(cls, connector: Connector, data: Any = None) -> "ConnectorForm":
        """Each plug on the page has field names of its own."""
        initial = {name: getattr(connector, name) for name in ("type", "current", "max_power_w", "is_enabled")}
        initial["price_per_kwh"] = connector.tariff.price_per_kwh if connector.tariff else None
        return cls(data, initial=initial, prefix=f"connector{connector.connector_id}")


ANY = ("", _("any"))
POWERS_W = (3_700, 7_400, 11_000, 22_000, 50_000)


class FilterForm(forms.Form):
    """What a driver looks for on the map; it comes from the address (`?connector=CCS&free=on`), so links keep it."""

    free = forms.BooleanField(label=_("Free now"), required=False)
    usable = forms.BooleanField(label=_("For me"), required=False)
    connector = forms.ChoiceField(label=_("Plug"), choices=[ANY, *Connector.Type.choices], required=False)
    current = forms.ChoiceField(label=_("Current"), choices=[ANY, *Connector.Current.choices], required=False)
    power = forms.TypedChoiceField(label=_("Power at least"), coerce=int, empty_value=None, required=False)
    price = MoneyField(required=False, high=OWNERS_PRICE_LIMIT)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        power, price = self.fields["power"], self.fields["price"]
        assert isinstance(power, forms.TypedChoiceField)
        power.choices = [ANY, *((power_w, units.kw(power_w)) for power_w in POWERS_W)]
        price.label = _("Price at most (%(currency)s per kWh)") % {"currency": units.symbol()}

    @property
    def more_count(self) -> int:
        """How many of the folded fields say something."""
        return sum(bool(self[name].value()) for name in ("connector", "current", "power", "price"))

    @property
    def fault_text(self) -> str:
        """What of it cannot be used, and why; the rest is looked for nevertheless. Empty: all of it can."""
        faults = " ".join(f"{self[name].label}: {error}" for name, errors in self.errors.items() for error in errors)
        return str(_("A filter was left out. %(faults)s") % {"faults": faults}) if faults else ""

    @property
    def wishes(self) -> dict[str, Any]:
        """Each field with what is looked for; None also for what `fault_text` leaves out."""
        self.is_valid()
        return dict.fromkeys(self.fields) | self.cleaned_data

    @property
    def asks_for_now(self) -> bool:
        """What is found depends on the hours."""
        return bool(self.wishes["free"] or self.wishes["usable"])

    def chosen(self, chargers: ChargerQuerySet, user: User | None) -> ChargerQuerySet:
        """Those of the chargers that are looked for."""
        wish = self.wishes
        chargers = chargers.with_plug(
            type=wish["connector"] or "",
            current=wish["current"] or "",
            power_from_w=wish["power"],
            price_to=wish["price"],
            is_free=bool(wish["free"]),
        )
        return authorization.usable_by(user, chargers) if wish["usable"] else chargers


class HistoryForm(forms.Form):
    """Which of one's sessions: at one charger, and from one day to another, both included, in local time."""

    charger = forms.ModelChoiceField(
        label=_("Charger"), queryset=Charger.objects.none(), required=False, empty_label=_("all")
    )
    since = DayField(label=_("From"), required=False)
    until = DayField(label=_("To"), required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["charger"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Charger.objects.charged_at_by(user)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", _("The end lies before the beginning."))
        return cleaned

    @property
    def is_used(self) -> bool:
        return any(self[name].value() for name in self.fields)

    def chosen(self, sessions: SessionQuerySet) -> SessionQuerySet:
        """For a valid form."""
        charger = self.cleaned_data["charger"]
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        sessions = sessions.filter(charger=charger) if charger else sessions
        sessions = sessions.filter(start_received_at__gte=_midnight(since)) if since else sessions
        return sessions.filter(start_received_at__lt=_midnight(until + timedelta(days=1))) if until else sessions


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class ReportForm(forms.Form):
    """What is wrong with a charger."""

    kind = forms.ChoiceField(label=_("What happened"), choices=ProblemReport.Kind.choices)
    text = forms.CharField(label=_("In your words"), max_length=TEXT_LIMIT, widget=forms.Textarea(attrs={"rows": 5}))


class ClaimForm(forms.Form):
    """At which charger a card will be held."""

    code = forms.CharField(
        label=_("Number on the charger"),
        max_length=30,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


class ReleaseForm(forms.Form):
    """The end of a review: bill what was measured, or an amount of energy that is right."""

    energy_wh = ScaledField(label=_("Energy to be billed (kWh)"), places=3, show=units.kwh)

    @classmethod
    def of(cls, session: ChargingSession, user: User, data: Any = None) -> "ReleaseForm":
        """An owner bills at most what the plug can have delivered, see `settlement.release`."""
        assessment = settlement.assess(session)
        most = assessment.energy_wh if user.is_staff else assessment.believable_wh
        form = cls(data, initial={"energy_wh": most})
        field = form.fields["energy_wh"]
        assert isinstance(field, ScaledField)
        field.high = settlement.OPERATORS_LIMIT_WH if user.is_staff else most
        if not user.is_staff:
            field.help_text = _("At most %(energy)s, which this plug can have delivered in the time.") % {
                "energy": units.kwh(most)
            }
        return form
