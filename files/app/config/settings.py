"""Settings of the freelance platform. Every value that differs between environments comes from the environment.

Variables are read from the process and from `.env` beside manage.py (or the file that ENV_FILE names).
"""

from pathlib import Path

from config import cache, databases, encryption
from config.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
# Folder of the release that this code was deployed as. Rows in the cache fit the code that put them there.
RELEASE = BASE_DIR.parent.name

_env = Environment.of_process(BASE_DIR / ".env")

SECRET_KEY = _env.text("DJANGO_SECRET_KEY")
DEBUG = _env.boolean("DJANGO_DEBUG", default=False)
ALLOWED_HOSTS = _env.items("DJANGO_ALLOWED_HOSTS", "")

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "apps.common",
    "apps.accounts",
    "apps.gigs",
    "apps.orders",
    "apps.payments",
    "apps.messaging",
    "apps.reviews",
    "apps.seeding",
]

DATABASES = databases.databases(_env)
DATABASE_ROUTERS = ["config.router.ReplicationRouter"]
# How long a reader that wrote keeps reading from the leader.
REPLICA_PIN_SECONDS = _env.integer("DB_REPLICA_PIN_SECONDS", 5, range(601))
# Consoles of PgBouncer, for the audit alone.
POOLERS = databases.poolers(_env)
# On a host of the database: where its data are, so that the audit watches that disk. No name that a release before
# this one would take for a misspelling.
POSTGRESQL_DATA_DIRECTORY = _env.text("POSTGRESQL_DATA_DIRECTORY", "")
CACHES = cache.caches(_env)
# Who gives the keys of encrypted columns.
ENCRYPTION = encryption.encryption(_env)

# Releases share one file, so that the one in use has to start with what only a newer one knows: whatever starts tells
# these variables, and `deploy_release` refuses them.
UNKNOWN_VARIABLES = _env.unknown()
_env.refuse_problems(UNKNOWN_VARIABLES)

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.common.middleware.IdentityMiddleware",
]
# Read from the cache, kept in the database: without the cache everybody stays logged in.
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_CACHE_ALIAS = "sessions"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.login.AccountBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    # Reads older hashes; they are renewed at the next login.
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "zh-hans"
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
# Keys of our own tables are UUIDv7; this is for tables of Django's own apps and many-to-many links.
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FIXTURE_DIRS = [BASE_DIR / "fixtures"]
