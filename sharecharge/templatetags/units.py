"""The units of billing/units.py as filters of every template."""

from django import template

from billing import units

register = template.Library()

for unit in (units.money, units.kwh, units.kw, units.per_kwh, units.percent, units.duration):
    register.filter(unit.__name__, unit)
