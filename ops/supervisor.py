"""Start the children in order, keep them running, stop them in the opposite order."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from config import ROOT
from ops.checks import CannotStart

START_SECONDS = 120
STOP_SECONDS = 25  # a photo at work may finish
POLL_SECONDS = 0.2

# A proxy named in the environment is for the way out, not for this machine's own web server.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StopRequest:
    """True once SIGINT, SIGTERM or SIGHUP came; a second one raises KeyboardInterrupt."""

    def __init__(self):
        self._count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants to outlive its terminal
                signal.signal(number, self._note)

    def __bool__(self):
        return self._count > 0

    def _note(self, _number, _frame):
        self._count += 1
        if self._count > 1:
            raise KeyboardInterrupt


def supervise(processes, url, on_ready):
    """Run all until asked to stop. Raises CannotStart when one ends before ``url`` answers for the first time."""
    stop_request = StopRequest()
    try:
        for process in processes:
            process.start()
        _wait_until_ready(processes, url, stop_request)
        if not stop_request:
            on_ready()
        while not stop_request:
            for process in processes:
                process.keep_running()
            time.sleep(POLL_SECONDS)
        print("Stopping; work in progress is finished first.", flush=True)
    finally:
        _stop(processes)


def _wait_until_ready(processes, url, stop_request):
    deadline = time.monotonic() + START_SECONDS
    while not stop_request and not _answers(url):
        for process in processes:
            if process.has_ended:
                raise CannotStart(f"The {process.name} {process.ending()}, so the portal could not start.")
        if time.monotonic() > deadline:
            raise CannotStart(f"The web server did not answer within {START_SECONDS} seconds.")
        time.sleep(0.05)


def _answers(url):
    """Whether the portal answers there, and not somebody who took the port since it was found free."""
    try:
        answer = DIRECTLY.open(url, timeout=2)
    except urllib.error.HTTPError as error:  # an address that is not among TRUSTED_HOSTS
        answer = error
    except OSError:
        return False
    with answer:
        return "Content-Security-Policy" in answer.headers


def _stop(processes):
    try:
        for process in reversed(processes):
            process.stop(STOP_SECONDS)
    except KeyboardInterrupt:
        print("Stopping at once.", flush=True)
    finally:
        for process in processes:
            process.kill()


def prepare(environment):
    """Migrate the database and show the demo accounts of a first start. Raises CannotStart when that fails."""
    command = [sys.executable, "-m", "ops.prepare"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode:
        last_words = result.stderr.strip().splitlines()[-1:] or [f"status {result.returncode}"]
        raise CannotStart(f"The database could not be brought up to date: {last_words[0]}")
    print(result.stdout, end="", flush=True)
