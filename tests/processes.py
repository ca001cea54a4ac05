"""The real processes tests run against: Redis, Celery worker, gunicorn."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
from redis import Redis, RedisError

from config import ROOT
from ops.redis import find_redis_server, redis_command

PYTHON = sys.executable


class Process:
    """A child in a process group of its own, its output in ``log``."""

    def __init__(self, command, log, env=None):
        self.command = [str(part) for part in command]
        self.log = Path(log)
        self._env = {**os.environ, **(env or {})}
        self._child = None

    @property
    def pid(self):
        return self._child.pid

    @property
    def is_running(self):
        return self._child is not None and self._child.poll() is None

    def start(self):
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                self.command, cwd=ROOT, env=self._env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, process_group=0
            )
        return self

    def signal(self, number):
        """Send ``number`` to the whole group."""
        os.killpg(self._child.pid, number)

    def kill(self):
        """SIGKILL the whole group, as a power cut would."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self._child.wait(timeout=10)

    def stop(self, seconds=30):
        """Ask it to end, and insist after ``seconds``."""
        if self.is_running:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=seconds)
        self.kill()

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class RedisServer(Process):
    """The embedded Redis of ``make run``, in ``directory``."""

    def __init__(self, directory):
        self.directory = Path(directory)
        super().__init__(redis_command(find_redis_server(), self.directory), self.directory / "redis.log")
        self.url = f"unix://{self.directory / 'redis.sock'}"
        self.client = Redis.from_url(self.url, socket_timeout=5)

    def start(self):
        super().start()
        wait_until(self.answers, 10, self)
        return self

    def answers(self):
        try:
            return self.client.ping()
        except RedisError:
            return False


class Worker(Process):
    """A Celery worker as ``make run`` starts it; ``start`` returns when it takes tasks."""

    def start(self):
        before = len(self.output())
        super().start()
        wait_until(lambda: " ready." in self.output()[before:], 60, self)
        return self


class WebServer(Process):
    """gunicorn on a free port of 127.0.0.1."""

    def __init__(self, command, log, env, port):
        super().__init__(command, log, env)
        self.url = f"http://127.0.0.1:{port}"

    def start(self):
        super().start()
        wait_until(self.answers, 120, self)
        return self

    def answers(self):
        try:
            return urllib.request.urlopen(f"{self.url}/healthz", timeout=2).status == 200
        except (urllib.error.URLError, OSError):
            return False


class Portal(WebServer):
    """``python -m ops``, which is what ``make run`` runs, on ``data_dir``."""

    def __init__(self, data_dir, **settings):
        port = free_port()
        self.data_dir = str(data_dir)
        env = {"DATA_DIR": self.data_dir, "PORT": str(port), "HOST": "127.0.0.1", "PORTAL_ENV": "development"}
        env |= settings
        super().__init__([PYTHON, "-m", "ops"], data_dir.parent / f"{data_dir.name}.out", env, port)

    def start(self):
        self.log.unlink(missing_ok=True)
        super().start()
        wait_until(lambda: "The portal runs at" in self.output(), 60, self)
        return self

    def processes(self):
        """Every process of this portal, the supervisor's own and all below."""
        found = []
        for process in psutil.process_iter():
            try:
                # Redis writes its title over its environment; the title has the socket's path.
                is_own = self.data_dir in " ".join([process.environ().get("DATA_DIR", ""), *process.cmdline()])
                if is_own and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def child(self, word):
        """The supervisor's own child whose command line has ``word``, or None."""
        own = [process for process in self.processes() if process.ppid() == self.pid]
        return next((process for process in own if word in _command(process)), None)

    def is_gone(self):
        return not self.processes()


def wait_until(is_true, seconds, process=None, interval=0.05):
    """Poll until ``is_true()``; AssertionError with the process's output after ``seconds`` or when it ended."""
    deadline = time.monotonic() + seconds
    while not (answer := is_true()):
        ended = process is not None and not process.is_running
        if ended or time.monotonic() > deadline:
            state = "ended" if ended else f"not ready after {seconds} s"
            raise AssertionError(f"{state}\n{process.output()[-4000:] if process else ''}")
        time.sleep(interval)
    return answer


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _command(process):
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""  # it died in this moment and has no command any more
