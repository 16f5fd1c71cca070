"""The one form field through which amounts come in."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from billing import units

SPACES = re.compile(r"\s")
BEYOND_REASON = 10**15
TOO_HIGH = _("The most is %(high)s.")
IN_THOUSANDS = re.compile(r"[-−–]?\d{1,3}(?:(?:,\d{3})+(\.\d+)?|(?:\.\d{3})+(,\d+))", re.ASCII)
NUMBER = re.compile(r"([-−–]?)(\d+)(?:[.,](\d+))?", re.ASCII)


class ScaledField(forms.CharField):
    """A decimal number as a person writes it ("5,50" or "5.50") that is kept as an integer of 10^-places.

    Thousands may be marked as pages write them: "1,656.85", "1 656,85". Not Django's DecimalField, which refuses those.
    """

    places = 2

    def __init__(
        self,
        *,
        places: int = 2,
        low: int = 0,
        high: int = BEYOND_REASON,
        too_high: Any = TOO_HIGH,
        show: Callable[[int], str] = units.money,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        super().__init__(**kwargs)
        self.places, self.low, self.high = places, low, high
        self.too_high, self.show = too_high, show

    def clean(self, typed: Any) -> int | None:
        text = self._without_marks(SPACES.sub("", super().clean(typed) or ""))
        if not text:
            return None
        number = NUMBER.fullmatch(text)
        if number is None:
            raise forms.ValidationError(_("Write a number such as 12.50."), code="invalid")
        sign, whole, decimals = number.group(1), number.group(2), number.group(3) or ""
        if len(decimals) > self.places:  # in Czech "1,000" may be a thousand or one: we do not guess
            raise forms.ValidationError(
                _("At most %(places)s decimals are possible."), code="decimals", params={"places": self.places}
            )
        digits = (whole + decimals.ljust(self.places, "0")).lstrip("0") or "0"
        # Python reads no integers of thousands of digits; such a one is just as much too high.
        value = int(digits) if len(digits) < 40 else BEYOND_REASON + 1
        self._check_range(-value if sign else value)
        return value

    def _without_marks(self, text: str) -> str:
        """Without those of thousands. Where decimals follow they are plain; "1,000" alone is a thousand in a language
        that writes it so, if it cannot be one with decimals.
        """
        found = IN_THOUSANDS.fullmatch(text)
        if found is None:
            return text
        if found.group(1):
            return text.replace(",", "")
        if found.group(2):
            return text.replace(".", "")
        is_usual = "," in text and formats.get_format("THOUSAND_SEPARATOR") == ","
        return text.replace(",", "") if is_usual and self.places < 3 else text

    def _check_range(self, value: int) -> None:
        if value < self.low:
            raise forms.ValidationError(_("The least is %(low)s."), code="low", params={"low": self.show(self.low)})
        if value > self.high:
            raise forms.ValidationError(self.too_high, code="high", params={"high": self.show(self.high)})

    def prepare_value(self, value: Any) -> Any:
        """An integer from the database becomes text; what was typed is shown again as it was."""
        if not isinstance(value, int):
            return value
        number = Decimal(value).scaleb(-self.places)
        if number == number.to_integral_value():
            return str(int(number))
        return formats.number_format(number.normalize() if self.places > 2 else number, use_l10n=True)


class MoneyField(ScaledField):
    """Minor units."""


class TopUpForm(forms.Form):
    amount = MoneyField(label=_("Amount"), low=100, too_high=_("This is too much at once."))
    key = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["amount"]
        assert isinstance(field, MoneyField)
        field.high = settings.TOP_UP_LIMIT
        field.help_text = _("In %(currency)s, at most %(limit)s.") % {
            "currency": units.symbol(),
            "limit": units.money(settings.TOP_UP_LIMIT),
        }


class PayoutForm(forms.Form):
    """What an operator needs to send money of a wallet to its owner."""

    amount = MoneyField(label=_("Amount"), low=100, too_high=_("This is more than is free in your wallet."))
    bank_account = forms.CharField(
        label=_("Bank account"),
        max_length=50,
        help_text=_("An IBAN, or as your bank writes it: 19-2000145399/0800."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    key = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, available: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["amount"]
        assert isinstance(field, MoneyField)
        field.high = available
        field.help_text = _("In %(currency)s, at most %(limit)s.") % {
            "currency": units.symbol(),
            "limit": units.money(available),
        }
