"""What owners type about their chargers, and what drivers look for on the map."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import units
from billing.forms import MoneyField, ScaledField
from chargers import authorization, settlement
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


class PlaceForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Everybody sees it: do not write an address."))
    street = forms.CharField(label=_("Street"), max_length=100, required=False)
    house_number = forms.CharField(label=_("House number"), max_length=20, required=False)
    city = forms.CharField(label=_("Town"), max_length=100, help_text=_("Everybody sees it."))
    postal_code = forms.CharField(label=_("Postal code"), max_length=20, required=False)
    latitude = DegreesField(label=_("Latitude"), limit=90)
    longitude = DegreesField(label=_("Longitude"), limit=180)

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


class LimitForm(forms.Form):
    """How much a whole charger may take; what is possible, `control.limit_power` knows."""

    limit_w = ScaledField(label=_("Power at most (kW)"), places=3, high=POWER_LIMIT_W, show=units.kw)


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

    def chosen(self, chargers: ChargerQuerySet, user: User | None) -> ChargerQuerySet:
        """Those of the chargers that are looked for. For a valid form."""
        wish = self.cleaned_data
        chargers = chargers.with_plug(
            type=wish["connector"],
            current=wish["current"],
            power_from_w=wish["power"],
            price_to=wish["price"],
            is_free=wish["free"],
        )
        return authorization.usable_by(user, chargers) if wish["usable"] else chargers


class HistoryForm(forms.Form):
    """Which of one's sessions: at one charger, and from one day to another, both included, in local time."""

    charger = forms.ModelChoiceField(
        label=_("Charger"), queryset=Charger.objects.none(), required=False, empty_label=_("all")
    )
    since = forms.DateField(label=_("From"), required=False, widget=DayInput)
    until = forms.DateField(label=_("To"), required=False, widget=DayInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["charger"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Charger.objects.charged_at_by(user)

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
        max_length=12,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def clean_code(self) -> str:
        return self.cleaned_data["code"].strip().lower()


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
