"""A cache on Valkey or Redis that the application survives: when it is gone, every look-up is a miss."""

import logging
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar
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
# More entries than this are not deleted one by one: the cache is emptied.
OUTDATED_MOST = 100_000
# A session is read from its row again after this long: what a cache that was away missed is over then.
SESSION_COPY_SECONDS = 300
# What TLS says of a server that went away. The rest of its errors (authority, name, date, protocol) no waiting mends.
TLS_OUTAGES = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class ForgivingRedisCache(RedisCache):
    """Django's RedisCache whose operations give `default` (a miss) while the server cannot be reached.

    Only a lost connection is forgiven. A refused password, certificate or command is a mistake and still raises.
    What could not be written or deleted meanwhile is deleted when the server answers again, before anything is read.
    """

    _resting_until = 0.0
    # Keys as the server has them, whose entries there are older than what this process wanted.
    _outdated: ClassVar[set[str]] = set()

    @property
    def resting(self) -> bool:
        """Whether the server did not answer a moment ago."""
        return time.monotonic() < self._resting_until

    def _forgive(self, operation: Callable[[], Any], missed: Any, writes: Iterable[str] = ()) -> Any:
        """Run an operation on the server. `writes`: the entries that it changes, as keys of the server."""
        if self.resting:
            self._outdated.update(writes)
            return missed
        try:
            self._delete_outdated()
            return operation()
        except (RedisConnectionError, RedisTimeoutError) as error:
            # AuthenticationError is a ConnectionError in redis-py, yet no outage; so is what TLS refused.
            if "auth" in type(error).__name__.lower() or _refused_by_tls(error):
                raise
            # On the class: every thread has a backend object of its own, the server is the same.
            type(self)._resting_until = time.monotonic() + REST_SECONDS
            self._outdated.update(writes)
            logger.warning("The cache cannot be reached, going on without it for %.0f s: %s", REST_SECONDS, error)
            return missed

    def _delete_outdated(self) -> None:
        outdated = self._outdated.copy()
        if len(outdated) > OUTDATED_MOST:
            self._cache.clear()
        elif outdated:
            self._cache.delete_many(outdated)
        self._outdated.difference_update(outdated)

    def add(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> bool:
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).add(key, value, *args, **kwargs), False))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._forgive(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        self._forgive(
            lambda: super(ForgivingRedisCache, self).set(key, value, *args, **kwargs), None, self._keys([key], kwargs)
        )

    def touch(self, key: Any, *args: Any, **kwargs: Any) -> bool:
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).touch(key, *args, **kwargs), False))

    def delete(self, key: Any, version: int | None = None) -> bool:
        writes = self._keys([key], {"version": version})
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).delete(key, version), False, writes))

    def get_many(self, keys: Any, version: int | None = None) -> dict[Any, Any]:
        found = self._forgive(lambda: super(ForgivingRedisCache, self).get_many(keys, version), {})
        return dict(found)

    def set_many(self, data: Any, *args: Any, **kwargs: Any) -> list[Any]:
        missed = list(data)
        writes = self._keys(missed, kwargs)
        return list(
            self._forgive(lambda: super(ForgivingRedisCache, self).set_many(data, *args, **kwargs), missed, writes)
        )

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        writes = self._keys(keys, {"version": version})
        self._forgive(lambda: super(ForgivingRedisCache, self).delete_many(keys, version), None, writes)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return bool(self._forgive(lambda: super(ForgivingRedisCache, self).has_key(key, version), False))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return int(self._forgive(lambda: super(ForgivingRedisCache, self).incr(key, delta, version), delta))

    def clear(self) -> None:
        self._forgive(lambda: super(ForgivingRedisCache, self).clear(), None)

    def _keys(self, keys: Iterable[Any], options: Mapping[str, Any]) -> list[str]:
        return [self.make_key(key, version=options.get("version")) for key in keys]


class SessionCache(ForgivingRedisCache):
    """Copies of sessions, each for a few minutes: another process may have been the one that could not delete one."""

    def set(self, key: Any, value: Any, timeout: Any = SESSION_COPY_SECONDS, version: int | None = None) -> None:
        seconds = SESSION_COPY_SECONDS if timeout is None else min(timeout, SESSION_COPY_SECONDS)
        super().set(key, value, seconds, version=version)


def _refused_by_tls(error: Exception) -> bool:
    reason = error.__cause__ or error.__context__
    return isinstance(reason, ssl.SSLError) and not isinstance(reason, TLS_OUTAGES)


def caches(env: Environment) -> dict[str, dict[str, Any]]:
    """Return the CACHES setting: `default` and `sessions`.

    Without CACHE_URL nothing is cached: a cache of one process would not hear of what another one changed.
    """
    if not env.opened(("CACHE_PASSWORD", "CACHE_SSLROOTCERT"), "CACHE_URL"):
        nothing = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
        return {"default": nothing, "sessions": nothing}
    url = urlsplit(env.text("CACHE_URL"))
    if url.scheme != "rediss" or not url.hostname:
        # The value may hold a password, so it is not repeated.
        env.problem("CACHE_URL: rediss://user@host:port/database is expected; a plain-text connection is refused.")
    host = url.netloc.rpartition("@")[2]
    # In the URL both are quoted, in a variable of its own the password is not.
    user = quote(unquote(url.username or "default"), safe="")
    password = quote(env.text("CACHE_PASSWORD", unquote(url.password or "") or None), safe="")
    location = f"rediss://{user}:{password}@{host}{url.path or '/0'}"
    default = {
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
    sessions = {**default, "BACKEND": "config.cache.SessionCache", "KEY_PREFIX": "freelance-sessions"}
    return {"default": default, "sessions": sessions}
