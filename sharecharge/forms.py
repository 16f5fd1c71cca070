"""How the forms of every room look when they were refused: what is wrong stands above, and the cursor where it is."""

from typing import Any

from django.forms import BoundField
from django.forms.renderers import DjangoTemplates


class Field(BoundField):
    """On a page; the first wrong one of its form is where the page opens, with or without a script."""

    @property
    def anchor(self) -> str:
        """The id that a link to it names."""
        return self.id_for_label or self.auto_id

    @property
    def is_first_wrong(self) -> bool:
        return self.name == next((name for name in self.form.fields if name in self.form.errors), None)

    def build_widget_attrs(self, attrs: dict[str, Any], widget: Any = None) -> dict[str, Any]:
        built = super().build_widget_attrs(attrs, widget)
        return {**built, "autofocus": True} if self.is_first_wrong else built


class Renderer(DjangoTemplates):
    bound_field_class = Field
