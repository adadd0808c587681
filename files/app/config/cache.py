"""A cache on Valkey or Redis that the application survives: when it is gone, every look-up is a miss."""

import logging
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from config.environment import Environment

logger = logging.getLogger(__name__)

# After a failure the cache is left alone for this long: otherwise every request would wait for the time-out again.
REST_SECONDS = 5.0
# What TLS says of a server that went away. The rest of its errors (authority, name, date, protocol) no waiting mends.
TLS_OUTAGES = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class ForgivingRedisCache(RedisCache):
    """Django's RedisCache whose operations give `default` (a miss) while the server cannot be reached.

    Only a lost connection is forgiven. A refused password, certificate or command is a mistake and still raises.
    """

    _resting_until = 0.0

    @property
    def resting(self) -> bool:
        """Whether the server did not answer a moment ago."""
        return time.monotonic() < self._resting_until

    def _forgive(self, operation: Callable[[], Any], missed: Any) -> Any:
        if self.resting:
            return missed
        try:
            return operation()
        except (RedisConnectionError, RedisTimeoutError) as error:
            # AuthenticationError is a ConnectionError in redis-py, yet no outage; so is what TLS refused.
            if "auth" in type(error).__name__.lower() or _refused_by_tls(error):
                raise
            # On the class: every thread has a backend object of its own, the server is the same.
            type(self)._resting_until = time.monotonic() + REST_SECONDS
            logger.warning("The cache cannot be reached, going on without it for %.0f s: %s", REST_SECONDS, error)
            return missed

    def add(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> bool:
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).add(key, value, *args, **kwargs), False))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._forgive(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        self._forgive(lambda: super(ForgivingRedisCache, self).set(key, value, *args, **kwargs), None)

    def touch(self, key: Any, *args: Any, **kwargs: Any) -> bool:
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).touch(key, *args, **kwargs), False))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).delete(key, version), False))

    def get_many(self, keys: Any, version: int | None = None) -> dict[Any, Any]:
        found = self._forgive(lambda: super(ForgivingRedisCache, self).get_many(keys, version), {})
        return dict(found)

    def set_many(self, data: Any, *args: Any, **kwargs: Any) -> list[Any]:
        missed = list(data)
        return list(self._forgive(lambda: super(ForgivingRedisCache, self).set_many(data, *args, **kwargs), missed))

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        self._forgive(lambda: super(ForgivingRedisCache, self).delete_many(keys, version), None)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).has_key(key, version), False))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return int(self._forgive(lambda: super(ForgivingRedisCache, self).incr(key, delta, version), delta))

    def clear(self) -> None:
        self._forgive(lambda: super(ForgivingRedisCache, self).clear(), None)


def _refused_by_tls(error: Exception) -> bool:
    reason = error.__cause__ or error.__context__
    return isinstance(reason, ssl.SSLError) and not isinstance(reason, TLS_OUTAGES)


def caches(env: Environment) -> dict[str, dict[str, Any]]:
    """Return the CACHES setting. Without CACHE_URL each process caches for itself."""
    if not env.given("CACHE_URL"):
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    url = urlsplit(env.text("CACHE_URL"))
    if url.scheme != "rediss" or not url.hostname:
        # The value may hold a password, so it is not repeated.
        env.problem("CACHE_URL: rediss://user@host:port/database is expected; a plain-text connection is refused.")
    host = url.netloc.rpartition("@")[2]
    # In the URL both are quoted, in a variable of its own the password is not.
    user = quote(unquote(url.username or "default"), safe="")
    password = quote(env.text("CACHE_PASSWORD", unquote(url.password or "") or None), safe="")
    location = f"rediss://{user}:{password}@{host}{url.path or '/0'}"
    return {
        "default": {
            "BACKEND": "config.cache.ForgivingRedisCache",
            "LOCATION": location,
            "KEY_PREFIX": "freelance",
            "TIMEOUT": 600,
            "OPTIONS": {
                "ssl_ca_certs": env.file("CACHE_SSLROOTCERT", env.text("DB_SSLROOTCERT", "/etc/ssl/platform/ca.crt")),
                "ssl_cert_reqs": "required",
                "ssl_check_hostname": True,
                "socket_connect_timeout": 0.5,
                "socket_timeout": 0.5,
                # Once more, for a connection that the server closed; redis-py's own ten attempts take seconds.
                "retry": Retry(NoBackoff(), 1),
                "health_check_interval": 30,
            },
        }
    }


OPTIONAL_NAMES = ("CACHE_URL", "CACHE_PASSWORD", "CACHE_SSLROOTCERT")
