"""``python -m ops``: the whole portal on one machine, as ``make run`` starts it. Ctrl-C or SIGTERM stops it."""

import os
import signal
import sys

from config import ConfigurationError, load_config
from ops.address import line_for_phones, url_here
from ops.checks import CannotStart, lock_data_dir, require_free_port, require_writable
from ops.process import Process, die_with_parent
from ops.redis import find_redis_server, redis_command
from ops.supervisor import prepare, supervise


def main(env):
    """Check, migrate, run until asked to stop; returns the exit status."""
    os.umask(0o077)
    if "MAKELEVEL" in env:
        die_with_parent(signal.SIGTERM, os.getppid())  # a killed make shall not leave the portal behind
    host, port = env.get("HOST") or "127.0.0.1", env.get("PORT") or "8000"
    env = {**env, "HOST": host, "PORT": port}
    try:
        config = load_config(env)
        require_writable(config.DATA_DIR)
        with lock_data_dir(config.DATA_DIR):
            require_free_port(host, port)
            processes = plan_processes(config, env)
            prepare(env)
            url = url_here(host, port)
            ready = f"The portal runs at {url} with its data in {config.DATA_DIR}. Ctrl-C stops it."
            lines = filter(None, (ready, line_for_phones(host, port)))
            supervise(processes, f"{url}/healthz", lambda: print(*lines, sep="\n", flush=True))
    except (CannotStart, ConfigurationError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def plan_processes(config, env):
    """The children in the order they start: Redis unless REDIS_URL names one, the worker, the web server."""
    processes = []
    if not env.get("REDIS_URL"):
        binary = find_redis_server()
        if binary is None:
            raise CannotStart("No redis-server was found. Install it (Debian: apt-get install redis-server).")
        processes.append(Process("Redis", redis_command(binary, config.DATA_DIR), env))
    worker = ["celery", "--quiet", "-A", "worker", "worker", "-c", "1", "-n", "embedded@%h", "--loglevel", "WARNING"]
    processes.append(Process("worker", [sys.executable, "-m", *worker], env))
    processes.append(Process("web server", [sys.executable, "-m", "gunicorn"], env))
    return processes


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
