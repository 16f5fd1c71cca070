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
    "API_RATE_ENTRANCES": "none",
    "API_RATE_COMMANDS": "none",
}

for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)

# Each of the processes that share the work has a Redis database of its own, or one would empty another one's cache.
# Redis has 16 of them.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if os.environ.get("REDIS_URL") and _worker.startswith("gw"):
    _scheme, _slashes, _rest = os.environ["REDIS_URL"].partition("://")
    _server = _rest.partition("/")[0]
    os.environ["REDIS_URL"] = f"{_scheme}://{_server}/{1 + int(_worker.removeprefix('gw')) % 15}"
