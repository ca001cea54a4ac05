"""One child of the supervisor: started in a group of its own, ended as a whole, never outliving its parent."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

from config import ROOT

PR_SET_PDEATHSIG = 1
HEALTHY_SECONDS = 10
LONGEST_PAUSE_SECONDS = 30


class Process:
    """A command that shall run; ``keep_running`` starts it again whenever it ended."""

    def __init__(self, name, command, environment):
        self.name = name
        self._command = command
        self._environment = environment
        self._child = None
        self._started_at = 0.0
        self._pause_seconds = 0.0
        self._start_again_at = None

    @property
    def has_ended(self):
        return self._child is not None and self._child.poll() is not None

    def start(self):
        self._started_at = time.monotonic()
        self._start_again_at = None
        parent = os.getpid()
        self._child = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches the supervisor alone, which ends the children in order
            preexec_fn=lambda: die_with_parent(signal.SIGKILL, parent),
        )

    def keep_running(self):
        """Start it again when it ended: at once after a healthy life, else after a growing pause."""
        if not self.has_ended:
            return
        now = time.monotonic()
        if self._start_again_at is None:
            self._end_group()
            lived_well = now - self._started_at > HEALTHY_SECONDS
            self._pause_seconds = 0 if lived_well else min(LONGEST_PAUSE_SECONDS, max(1, 2 * self._pause_seconds))
            self._start_again_at = now + self._pause_seconds
            print(f"The {self.name} {self.ending()}; starting it again.", flush=True)
        if now >= self._start_again_at:
            self.start()

    def ending(self):
        """How it ended, in words."""
        code = self._child.returncode
        return f"ended with status {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    def stop(self, seconds):
        """Ask it to end, wait that long, then end whatever is left of its group."""
        if self._child is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.terminate()
            self._child.wait(timeout=seconds)
        self.kill()

    def kill(self):
        """End the whole group at once."""
        if self._child is not None:
            self._end_group()
            self._child.wait()
            self._child = None

    def _end_group(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)


def die_with_parent(number, parent):
    """Have the kernel send ``number`` to this process when process ``parent`` dies, by SIGKILL too (Linux only)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)  # it died before the request was made
