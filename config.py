"""Settings, one class an environment; every value a deployment may change is read from the environment."""

import secrets
from datetime import timedelta
from pathlib import Path

from babel.dates import get_timezone

from ml.files import replacing

ROOT = Path(__file__).resolve().parent


class ConfigurationError(RuntimeError):
    """A setting is missing or cannot be used; the message tells the operator which and why."""


class Config:
    """What all environments share.

    ``env`` is the process environment (a mapping of str to str).
    Raises ConfigurationError with one plain sentence when a value is unusable.
    """

    VERSION = "0.1.0"  # of CHANGELOG.md
    PRODUCT_NAME = "Second Look"
    TESTING = False
    IS_PRODUCTION = False

    MAX_PHOTO_BYTES = 10 * 1024 * 1024
    # Two photos and the form's own fields.
    MAX_CONTENT_LENGTH = 2 * MAX_PHOTO_BYTES + 512 * 1024
    # Of one field, and of every request that carries no photos.
    MAX_FORM_MEMORY_SIZE = 256 * 1024
    MAX_FORM_PARTS = 200

    SESSION_COOKIE_NAME = "session"
    SESSION_COOKIE_HTTPONLY = True
    SESSION_COOKIE_SAMESITE = "Lax"
    SESSION_COOKIE_SECURE = False
    WTF_CSRF_TIME_LIMIT = None  # a token lives as long as its login session

    ARGON2 = {}  # parameters of argon2.PasswordHasher; empty: the library's own, after RFC 9106

    IDLE_TIMEOUT = timedelta(minutes=15)
    SESSION_LIFETIME = timedelta(hours=8)
    LOGIN_WINDOW = timedelta(minutes=15)
    LOGIN_FAILURES_PER_ADDRESS = 20
    TWO_FACTOR_ROLES = ()

    MAX_ATTEMPTS = 3
    TAKEN_MINUTES = 30
    RETENTION_DAYS = None

    LANGUAGES = {"en": "English", "es": "Español", "hi": "हिन्दी"}
    UNREVIEWED_LANGUAGES = ("es", "hi")  # translated by machine, not yet checked by a person
    BABEL_DEFAULT_LOCALE = "en"
    BABEL_TRANSLATION_DIRECTORIES = str(ROOT / "translations")

    BOOTSTRAP_SERVE_LOCAL = True
    SQLALCHEMY_TRACK_MODIFICATIONS = False

    def __init__(self, env):
        self.DATA_DIR = Path(env.get("DATA_DIR") or ROOT / "data").resolve()
        self.MODEL_DIR = Path(env.get("MODEL_DIR") or ROOT / "ml" / "artifact")
        self.SQLALCHEMY_DATABASE_URI = self._database_uri(env)
        self.BABEL_DEFAULT_TIMEZONE = self._time_zone(env)
        self.REDIS_URL = env.get("REDIS_URL") or f"unix://{self.DATA_DIR / 'redis.sock'}"
        self.SECRET_KEY = self._secret_key(env)
        self.TRUSTED_HOSTS = _names(env, "TRUSTED_HOSTS") or None
        self.PROXY_COUNT = whole_number(env, "PROXY_COUNT", 0)
        # A worker that dies holds its case this long; the task's time limits are cut to fit within.
        self.LEASE_SECONDS = whole_number(env, "LEASE_SECONDS", 30, least=1, most=86_400)
        self.SWEEP_SECONDS = whole_number(env, "SWEEP_SECONDS", 10, least=1, most=86_400)
        self.TWO_FACTOR_ROLES = tuple(_names(env, "TWO_FACTOR_ROLES"))
        self.RETENTION_DAYS = whole_number(env, "RETENTION_DAYS", self.RETENTION_DAYS, least=1, most=36_500)
        self.MODEL_THREADS = whole_number(env, "MODEL_THREADS", 2, least=1)

    def _database_uri(self, env):
        url = env.get("DATABASE_URL")
        if not url:
            return f"sqlite:///{self.DATA_DIR / 'portal.sqlite3'}"
        for prefix in ("postgres://", "postgresql://"):
            if url.startswith(prefix):
                return "postgresql+psycopg://" + url.removeprefix(prefix)
        return url

    def _time_zone(self, env):
        name = env.get("TIME_ZONE") or "UTC"
        try:
            get_timezone(name)
        except LookupError as error:
            raise ConfigurationError(
                f"TIME_ZONE is {name!r}; it must be a name like Pacific/Auckland, of the IANA time zones."
            ) from error
        return name

    def _secret_key(self, env):
        raise NotImplementedError


def whole_number(env, name, default, *, least=0, most=1_000):
    """The number that ``env`` has under ``name``, or ``default`` where it has none; ConfigurationError for another."""
    text = env.get(name)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise ConfigurationError(f"{name} is {text!r}; it must be a whole number from {least} to {most}.")
    return number


def carries_photos(method, path, content_type):
    """Whether a request may be as long as MAX_CONTENT_LENGTH; every other form is text.

    The web worker asks by the head alone, before it takes a body, and the portal before it reads one.
    """
    is_multipart = content_type.lower().startswith("multipart/form-data")
    return method == "POST" and path == "/cases/new" and is_multipart


def _names(env, name):
    return [part.strip() for part in env.get(name, "").split(",") if part.strip()]


class DevelopmentConfig(Config):
    """A single machine started by ``make run``: the secret is made once and kept in the data folder."""

    def _secret_key(self, env):
        if env.get("SECRET_KEY"):
            return env["SECRET_KEY"]
        path = self.DATA_DIR / "secret-key"
        try:
            self.DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
            # An empty one is what a full disk left of an earlier start.
            if not path.exists() or not path.stat().st_size:
                with replacing(path) as part:
                    part.touch(mode=0o600)
                    part.write_text(secrets.token_hex(32))
            return path.read_text()
        except OSError as error:
            raise ConfigurationError(f"The data folder {self.DATA_DIR} cannot be written: {error.strerror}.") from error


class TestingConfig(Config):
    __test__ = False  # not a test class, whatever pytest makes of the name
    TESTING = True
    WTF_CSRF_ENABLED = False
    ARGON2 = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}  # tests log in a lot
    SERVER_NAME = None

    def _secret_key(self, env):
        return "testing"


class ProductionConfig(Config):
    """Behind TLS; refuses to start while a secret is missing."""

    IS_PRODUCTION = True
    SESSION_COOKIE_NAME = "__Host-session"
    SESSION_COOKIE_SECURE = True
    PREFERRED_URL_SCHEME = "https"

    def __init__(self, env):
        missing = [name for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "TRUSTED_HOSTS") if not env.get(name)]
        if missing:
            raise ConfigurationError(f"Production needs {', '.join(missing)} in the environment.")
        super().__init__(env)

    def _secret_key(self, env):
        if len(env["SECRET_KEY"]) < 32:
            raise ConfigurationError("SECRET_KEY must be at least 32 characters long.")
        return env["SECRET_KEY"]


ENVIRONMENTS = {"development": DevelopmentConfig, "testing": TestingConfig, "production": ProductionConfig}


def load_config(env):
    """The settings for ``env["PORTAL_ENV"]`` (development when unset)."""
    name = env.get("PORTAL_ENV") or "development"
    if name not in ENVIRONMENTS:
        raise ConfigurationError(f"PORTAL_ENV is {name!r}; it must be one of {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[name](env)
