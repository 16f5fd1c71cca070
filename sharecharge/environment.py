"""How settings are read from the environment, or from the file that ENV_FILE names (`.env`).

A value that cannot be used stops the start with one sentence that names the variable.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

REQUIRED = object()
env = environ.Env()
env_file = env.str("ENV_FILE", default=str(BASE_DIR / ".env"))
if "ENV_FILE" in env.ENVIRON and env_file and not Path(env_file).is_file():
    raise ImproperlyConfigured(f"ENV_FILE={env_file!r}: there is no such file.")
if env_file and Path(env_file).is_file():
    environ.Env.read_env(env_file)
# Their values, right or wrong, belong in no log.
CONFIDENTIAL = {
    "SECRET_KEY", "JWT_KEY", "CHARGER_PASSWORD_PEPPER", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "METRICS_TOKEN",
    "SENTRY_DSN", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET",
}  # fmt: skip


def read(name: str, cast: Callable[[str], Any], default: Any = REQUIRED, hint: str = "") -> Any:
    """The value of one environment variable, or the start stops with a sentence that names it."""
    text = env.ENVIRON.get(name, "").strip()
    if not text:
        if default is REQUIRED:
            raise ImproperlyConfigured(f"{name} is not set. {hint}".strip())
        return default
    try:
        return cast(text)
    except ValueError as error:
        shown = "…" if name in CONFIDENTIAL else repr(text)
        raise ImproperlyConfigured(f"{name}={shown} cannot be used: {error}. {hint}".strip()) from None


def boolean(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("write true or false")


def begins_with(*beginnings: str) -> Callable[[str], str]:
    def cast(text: str) -> str:
        if not text.startswith(beginnings):
            raise ValueError(f"it begins with {' or '.join(beginnings)}")
        return text

    return cast


def number(low: float, high: float, kind: type = int) -> Callable[[str], Any]:
    def cast(text: str) -> Any:
        try:
            value = kind(text)
        except ArithmeticError:
            raise ValueError("this is no number") from None
        if not low <= value <= high:
            raise ValueError(f"it must lie between {low} and {high}")
        return value

    return cast


def one_of(*choices: str) -> Callable[[str], str]:
    def cast(text: str) -> str:
        if text not in choices:
            raise ValueError(f"choose one of {', '.join(choices)}")
        return text

    return cast


def items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def url(*schemes: str) -> Callable[[str], str]:
    def cast(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(f"it must be a URL that begins with {' or '.join(s + '://' for s in schemes)}")
        return text.rstrip("/")

    return cast


def origins(text: str) -> list[str]:
    return [url("http", "https")(item) for item in items(text)]


def rate(text: str) -> str | None:
    if text == "none":
        return None
    count, _slash, period = text.partition("/")
    if not count.isdecimal() or int(count) < 1 or period not in {"sec", "min", "hour", "day"}:
        raise ValueError("write a number of requests and a period such as 600/min, or none")
    return text


def zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("it is not the name of a time zone such as Europe/Prague")
    return ZoneInfo(text).key


def percent_in_basis_points(text: str) -> int:
    from decimal import Decimal, InvalidOperation

    try:
        value = Decimal(text) * 100
    except InvalidOperation:
        raise ValueError("this is no number") from None
    if value != value.to_integral_value() or not 0 <= value <= 10_000:
        raise ValueError("it must lie between 0 and 100, with at most two decimals")
    return int(value)


def secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError("it must have at least 32 characters")
    return text


def email(text: str) -> dict[str, Any]:
    scheme = urlsplit(text).scheme
    if scheme not in {"smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail"}:
        raise ValueError("it must look like smtp+tls://user:password@host:587, consolemail:// or filemail:///folder")
    config: dict[str, Any] = environ.Env.email_url_config(text)
    if scheme == "filemail":
        folder = unquote(urlsplit(text).path)
        if not folder.strip("/"):
            raise ValueError("it must name the folder: filemail:///folder")
        config |= {"EMAIL_BACKEND": "sharecharge.letterbox.EmailBackend", "EMAIL_FILE_PATH": folder}
    return config


def database(text: str) -> dict[str, Any]:
    try:
        config = environ.Env.db_url_config(text)
    except (environ.ImproperlyConfigured, KeyError) as error:
        raise ValueError(str(error)) from None
    engine = config.get("ENGINE", "")
    if engine not in {"django.db.backends.sqlite3", "django.db.backends.postgresql"}:
        raise ValueError("it must begin with sqlite:/// or postgres://")
    return config
