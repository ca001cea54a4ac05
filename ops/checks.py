"""What must hold before anything starts; each complaint is one line that says what to do."""

import fcntl
import os
import socket
import tempfile
import time

# After a SIGKILL of everything, the kernel and the orphans need a moment to let go of the port.
PORT_PATIENCE_SECONDS = 3


class CannotStart(Exception):
    """The message is for the person at the terminal."""


def require_writable(data_dir):
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise CannotStart(
            f"The data folder {data_dir} cannot be written ({error.strerror}). Name another: make run DATA_DIR=..."
        ) from None


def lock_data_dir(data_dir):
    """Hold the folder for this process; the lock goes with it, however it ends. Returns the open lock file."""
    lock = open(data_dir / "run.lock", "a+")  # noqa: SIM115  open as long as the portal runs
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise CannotStart(
            f"The portal already runs on the data folder {data_dir} (process {lock.read().strip() or 'unknown'})."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def require_free_port(host, port):
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise CannotStart(f"PORT is {port!r}; it must be a number from 1 to 65535.")
    deadline = time.monotonic() + PORT_PATIENCE_SECONDS
    while (problem := _bind_problem(host, int(port))) and time.monotonic() < deadline:
        time.sleep(0.2)
    if problem:
        raise CannotStart(f"Port {port} on {host} cannot be used ({problem}). Choose another: make run PORT=...")


def warn_of_development(env, warn):
    """Not refused, as `make run` on PostgreSQL is a way to try it out; but nobody shall work like that unawares."""
    if env.get("DATABASE_URL", "").startswith("postgres") and env.get("PORTAL_ENV") != "production":
        warn("PORTAL_ENV is not production: cookies go without TLS too, and missing secrets are made up.")


def _bind_problem(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError as error:
            return error.strerror
    return None
