"""Django settings. Every environment variable is read exactly once, here, and is described in `.env.example`; how it is
read is told by environment.py.
"""

from datetime import timedelta
from urllib.parse import urlsplit

from corsheaders.defaults import default_headers as cors_headers
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from sharecharge.environment import (
    BASE_DIR,
    REQUIRED,
    begins_with,
    boolean,
    database,
    email,
    items,
    number,
    one_of,
    origins,
    percent_in_basis_points,
    rate,
    read,
    secret,
    url,
    zone,
)

# ----------------------------------------------------------------------------------------------- core

DEBUG = read("DEBUG", boolean, default=False)
SECRET_KEY = read("SECRET_KEY", secret, hint="Put 32 or more random characters into .env or the environment.")
PORT = read("PORT", number(1, 65_535), default=8000)
SITE_URL = read("SITE_URL", url("http", "https"), default=f"http://127.0.0.1:{PORT}")
SITE_HOST = urlsplit(SITE_URL).hostname or "127.0.0.1"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
if DEBUG and SITE_HOST not in LOOPBACK:
    raise ImproperlyConfigured(
        f"DEBUG=true cannot be used with SITE_URL={SITE_URL!r}: its error pages show settings and data to everybody."
    )
# Loopback always belongs to it: health checks ask from inside.
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", SITE_HOST, *read("ALLOWED_HOSTS", items, default=[])]
CSRF_TRUSTED_ORIGINS = [SITE_URL]
# Where wallboxes connect, without the identity. They may use another host or port than people do.
CHARGER_URL = read("CHARGER_URL", url("ws", "wss"), default="ws" + SITE_URL.removeprefix("http") + "/ocpp")
CHARGER_PASSWORD_PEPPER = read(
    "CHARGER_PASSWORD_PEPPER", secret, hint="Changing it makes every charger's password invalid."
)
# Proxies in front of us whose X-Forwarded-For and X-Forwarded-Proto are believed. 0: nobody's.
TRUST_PROXY = read("TRUST_PROXY", boolean, default=False)

ROOT_URLCONF = "sharecharge.urls"
ASGI_APPLICATION = "sharecharge.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"

INSTALLED_APPS = [
    "sharecharge",
    "sharecharge.operators.OperatorsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "corsheaders",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "accounts",
    "billing",
    "chargers",
    "ocpp_gateway",
]

MIDDLEWARE = [
    "sharecharge.middleware.request_log",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "sharecharge.middleware.visitors_zone",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "sharecharge.middleware.refusals",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sharecharge.context.money",
                "sharecharge.context.site",
                "sharecharge.context.charging",
                "sharecharge.context.zone",
            ],
            "builtins": ["sharecharge.templatetags.units"],
        },
    }
]

FORM_RENDERER = "sharecharge.forms.Renderer"

# ----------------------------------------------------------------------------------------------- database

DATABASE_URL = read("DATABASE_URL", database, default=database(f"sqlite:///{BASE_DIR / 'var' / 'db.sqlite3'}"))
DATABASES = {"default": {**DATABASE_URL, "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # Without these most concurrent writes fail with "database is locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL, not NORMAL: what a charger was told is kept must survive a power cut (docs/architecture.md).
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
    }
    # Worker threads have connections of their own, so the tests need a file, not a database in memory.
    DATABASES["default"]["TEST"] = {"NAME": str(BASE_DIR / "var" / "test.sqlite3")}
    (BASE_DIR / "var").mkdir(exist_ok=True)
else:
    DATABASES["default"]["OPTIONS"] = {
        "options": "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
        "connect_timeout": 10,  # a host that swallows packets is away like one that refuses them
        # A host that vanished in the middle is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        # Django would forbid prepared statements; now those are prepared that ask for it (sharecharge/prepared.py).
        "prepare_threshold": 2**31 - 1,
        "application_name": "sharecharge",
        **DATABASE_URL.get("OPTIONS", {}),  # what the URL says: sslmode, sslrootcert, other limits
    }

# ----------------------------------------------------------------------------------------------- redis

REDIS_URL = read("REDIS_URL", url("redis", "rediss", "unix"), default="")
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "chargers.layers.RedisLayer",
            # A socket timeout would end every idle consumer: they wait in BZPOPMIN.
            "CONFIG": {
                "hosts": [{"address": REDIS_URL, "socket_timeout": None, "socket_keepalive": True}],
                "capacity": 1000,
            },
        }
    }
    CACHES = {"default": {"BACKEND": "sharecharge.cache.ForgivingRedisCache", "LOCATION": REDIS_URL}}
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "chargers.layers.MemoryLayer", "CONFIG": {"capacity": 1000}}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# ----------------------------------------------------------------------------------------------- money

# The supported currencies have two decimals; every amount is an integer of hundredths (haléř, cent).
CURRENCY = read("CURRENCY", one_of("CZK", "EUR", "PLN", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "RON"), default="CZK")
PLATFORM_FEE_BASIS_POINTS = read("PLATFORM_FEE_PERCENT", percent_in_basis_points, default=1000)
# A priced session starts only with this much free money, and reserves up to SESSION_HOLD at a time.
MINIMUM_START_BALANCE = read("MINIMUM_START_BALANCE", number(0, 1_000_000), default=50) * 100
SESSION_HOLD = read("SESSION_HOLD", number(1, 1_000_000), default=300) * 100
TOP_UP_LIMIT = read("TOP_UP_LIMIT", number(1, 1_000_000), default=20_000) * 100
PAYMENT_PROVIDER = read("PAYMENT_PROVIDER", one_of("none", "fake", "stripe"), default="fake" if DEBUG else "none")
STRIPE_API_URL = "https://api.stripe.com"
_unless_stripe = REQUIRED if PAYMENT_PROVIDER == "stripe" else ""
_hint = "PAYMENT_PROVIDER=stripe needs it, see docs/money.md."
STRIPE_SECRET_KEY = read("STRIPE_SECRET_KEY", begins_with("sk_", "rk_"), _unless_stripe, _hint)
STRIPE_WEBHOOK_SECRET = read("STRIPE_WEBHOOK_SECRET", begins_with("whsec_"), _unless_stripe, _hint)

# ----------------------------------------------------------------------------------------------- chargers

HEARTBEAT_INTERVAL_SECONDS = read("HEARTBEAT_INTERVAL_SECONDS", number(10, 86_400), default=300)
SESSION_SILENCE_HOURS = read("SESSION_SILENCE_HOURS", number(0.1, 240, float), default=12)
SWEEP_INTERVAL_SECONDS = read("SWEEP_INTERVAL_SECONDS", number(0.2, 3600, float), default=10)
CALL_TIMEOUT_SECONDS = read("CALL_TIMEOUT_SECONDS", number(0.1, 600, float), default=30)
REMOTE_START_TIMEOUT_SECONDS = read("REMOTE_START_TIMEOUT_SECONDS", number(5, 600), default=60)
MESSAGE_LOG_DAYS = read("MESSAGE_LOG_DAYS", number(1, 3650), default=30)
# 0: all meter values are kept for ever. What a bill stands on is kept in any case.
METER_VALUES_FULL_DAYS = read("METER_VALUES_FULL_DAYS", number(0, 36_500), default=90)
METER_VALUES_THIN_MINUTES = read("METER_VALUES_THIN_MINUTES", number(1, 1440), default=15)
GATEWAY_WORKERS = read("GATEWAY_WORKERS", number(1, 64), default=8)

# ----------------------------------------------------------------------------------------------- people

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "map"
LOGOUT_REDIRECT_URL = "map"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignupForm",
    "add_email": "accounts.forms.ChangeEmailForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_CHANGE_EMAIL = True  # one address; a new one replaces it when it was confirmed
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a mail when password or address were changed, to the old address, too
ACCOUNT_LOGOUT_REDIRECT_URL = "map"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[ShareCharge] "
# Beside allauth's own: a picture takes a second of a processor to be drawn anew.
ACCOUNT_RATE_LIMITS = {"add_photo": "20/m/user"}
# Attempts to log in are counted by address: the proxy's would be everybody's.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if TRUST_PROXY else 0
EMAIL = read("EMAIL_URL", email, default=email("consolemail://"))
EMAIL_BACKEND = EMAIL["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = EMAIL["EMAIL_HOST"], EMAIL["EMAIL_PORT"] or 25
EMAIL_FILE_PATH = EMAIL["EMAIL_FILE_PATH"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL["EMAIL_HOST_USER"], EMAIL["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL.get("EMAIL_USE_TLS", False), EMAIL.get("EMAIL_USE_SSL", False)
DEFAULT_FROM_EMAIL = read("DEFAULT_FROM_EMAIL", str, default=f"ShareCharge <noreply@{SITE_HOST}>")
# Where people reach the operator, as text: an e-mail address, or that of a page.
OPERATOR_CONTACT = read("OPERATOR_CONTACT", str, default="")

# ----------------------------------------------------------------------------------------------- language and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("cs", _("Czech"))]
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = SITE_URL.startswith("https://")
LOCALE_PATHS = [BASE_DIR / "sharecharge" / "locale"]
FORMAT_MODULE_PATH = ["sharecharge.formats"]
USE_I18N = True
USE_TZ = True  # UTC is stored; people see their browser's zone, and TIME_ZONE where all have to see the same.
TIME_ZONE = read("TIME_ZONE", zone, default="Europe/Prague")

# ----------------------------------------------------------------------------------------------- static files and map

STATIC_URL = "static/"
# A folder that `manage.py collectstatic` fills: names carry a hash of the content, so browsers keep them for a year.
# Without it the files come from where they stand in the source.
COLLECTED = read("STATIC_ROOT", lambda text: BASE_DIR / text, default=None)
STATIC_ROOT = COLLECTED or BASE_DIR / "var" / "static"
COLLECTED_STORAGE = "sharecharge.staticfiles.HashedStorage"
SOURCE_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": COLLECTED_STORAGE if COLLECTED else SOURCE_STORAGE},
}
WHITENOISE_USE_FINDERS = COLLECTED is None
MAP_TILE_URL = read("MAP_TILE_URL", url("http", "https"), default="https://tile.openstreetmap.org/{z}/{x}/{y}.png")
MAP_TILE_ATTRIBUTION = read("MAP_TILE_ATTRIBUTION", str, default="© OpenStreetMap contributors")
# A server that answers like Nominatim, for the search by place. Empty: no search.
GEOCODER_URL = read("GEOCODER_URL", url("http", "https"), default="")

# ----------------------------------------------------------------------------------------------- web security

HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
# Only a proxy that tells us the scheme can save us from sending the same page away for ever.
SECURE_SSL_REDIRECT = HTTPS and TRUST_PROXY
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]  # asked from inside, without TLS
# Whether all subdomains speak HTTPS only, for years and in every browser's list, is not ours to promise.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# The default would strip the Referer that the tile server's policy asks for.
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
# Nobody sends more than one file at once; how big it may be, says whoever reads it (chargers/pictures.py).
DATA_UPLOAD_MAX_NUMBER_FILES = 1
X_FRAME_OPTIONS = "DENY"
_tiles = urlsplit(MAP_TILE_URL)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:", f"{_tiles.scheme}://{_tiles.netloc.replace('{s}', '*')}"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        # Also what a form of ours leads on to: Stripe's page, where the payment is made.
        "form-action": ["'self'", *(["https://checkout.stripe.com"] if PAYMENT_PROVIDER == "stripe" else [])],
        "frame-ancestors": ["'none'"],
    }
}

# ----------------------------------------------------------------------------------------------- REST API

# How often one person, and one address that is nobody, may ask; None: as often as they like.
API_RATES = {
    "nobody": read("API_RATE_NOBODY", rate, default="120/min"),
    "person": read("API_RATE_PERSON", rate, default="600/min"),
    "entrances": read("API_RATE_ENTRANCES", rate, default="120/min"),
    "commands": read("API_RATE_COMMANDS", rate, default="60/min"),
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.rest.authentication.TokenAuthentication",
        "accounts.rest.authentication.LoginAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.rest.permissions.IsPerson"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.rest.throttles.Everybody"],
    "DEFAULT_PARSER_CLASSES": ["accounts.rest.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "accounts.rest.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "accounts.rest.schema.Schema",
    "EXCEPTION_HANDLER": "accounts.rest.errors.answer",
    "NUM_PROXIES": 1 if TRUST_PROXY else 0,
    "UNAUTHENTICATED_USER": None,
}
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": read("JWT_KEY", secret, default=SECRET_KEY),
    "ISSUER": SITE_URL,
    "AUDIENCE": f"{SITE_URL}/api",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    # A token carries a hash of the password's hash: a changed password ends all that were given out before.
    "CHECK_REVOKE_TOKEN": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ShareCharge",
    "VERSION": "1",
    "DESCRIPTION": (
        "Share wallboxes, charge at them, pay and be paid. docs/api.md tells how to log in, turn pages and read money."
    ),
    "TAGS": [
        {"name": "login", "description": "Tokens for e-mail and password, and forgotten passwords."},
        {"name": "users", "description": "Oneself; for operators everybody."},
        {"name": "tokens", "description": "Personal tokens for programs, with scopes and an end."},
        {"name": "id-tags", "description": "RFID cards."},
        {"name": "chargers", "description": "What is shared, and for owners their wallboxes."},
        {"name": "connectors", "description": "Plugs with power and price."},
        {"name": "commands", "description": "What is asked of a charger: the answer is 202, the outcome comes later."},
        {"name": "sessions", "description": "Charges, their readings and bills."},
        {"name": "reports", "description": "Problems with a charger, and their answers."},
        {"name": "stats", "description": "Energy and money by day or month."},
        {"name": "wallet", "description": "Balance, statement, top-ups and payouts."},
        {"name": "webhooks", "description": "Addresses of programs that are told what happens."},
    ],
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "GET_LIB_DOC_EXCLUDES": "accounts.rest.schema.silent",
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "Availability": "chargers.serializers.connectors.STATES",
        "SessionState": "chargers.serializers.sessions.STATES",
        "CommandState": "chargers.serializers.commands.STATES",
        "StepState": "chargers.serializers.commands.STEP_STATES",
        "CommandAction": "chargers.models.Command.Action",
        "AskedAction": "chargers.serializers.commands.ASKED",
        "ProblemKind": "chargers.models.ProblemReport.Kind",
        "ProblemStatus": "chargers.models.ProblemReport.Status",
        "TopUpStatus": "billing.models.TopUp.Status",
        "PayoutStatus": "billing.models.Payout.Status",
    },
}
# Pages of other origins that may call the API from a browser; none by default.
CORS_ALLOWED_ORIGINS = read("CORS_ALLOWED_ORIGINS", origins, default=[])
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [*cors_headers, "idempotency-key", "if-none-match"]
CORS_EXPOSE_HEADERS = ["ETag", "Location", "Retry-After", "X-Request-ID"]

# ----------------------------------------------------------------------------------------------- watching

METRICS_TOKEN = read("METRICS_TOKEN", secret, default="")
SENTRY_DSN = read("SENTRY_DSN", url("http", "https"), default="")

# ----------------------------------------------------------------------------------------------- logging

LOG_LEVEL = read("LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "sharecharge.logs.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        **{app: {"level": LOG_LEVEL} for app in ("sharecharge", "accounts", "billing", "chargers", "ocpp_gateway")},
        # Daphne would print frames' arrival at DEBUG and "listening" twice.
        "daphne": {"level": "WARNING"},
    },
}
