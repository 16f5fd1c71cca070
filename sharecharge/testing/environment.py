"""The settings that every test runs with.

A pytest plugin (`-p sharecharge.testing.environment` in pyproject.toml), because Django's settings are read before the
first conftest.py. What is already in the environment wins, so `./run test` decides about DATABASE_URL and REDIS_URL.
"""

import os
from typing import Final

DEFAULTS: Final[dict[str, str]] = {
    "DJANGO_SETTINGS_MODULE": "sharecharge.settings",
    "ENV_FILE": "",  # no developer's .env in the tests
    "SECRET_KEY": "only-for-tests-only-for-tests-only-for-tests-only-for-tests",
    "CHARGER_PASSWORD_PEPPER": "only-for-tests-only-for-tests-only-for-tests",
    "DEBUG": "false",
    "PAYMENT_PROVIDER": "fake",
    "ALLOWED_HOSTS": "testserver",
    "PLATFORM_FEE_PERCENT": "10",
    # Whole suites come from one address; the tests of the limits set their own.
    "API_RATE_NOBODY": "none",
    "API_RATE_PERSON": "none",
    "API_RATE_COMMANDS": "none",
}

for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)
