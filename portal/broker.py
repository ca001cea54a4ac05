"""Redis beside Celery's own use of it: who is alive, and whether it answers."""

from redis import Redis

PRESENCE_KEY = "portal:worker:"  # + the worker's name; the value is when it started (ISO 8601, UTC)


def open_redis(config, **options):
    """A client of the broker; a Redis that froze holds nobody up for longer than a second."""
    return Redis.from_url(config["REDIS_URL"], socket_timeout=1, socket_connect_timeout=1, **options)
