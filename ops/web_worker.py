"""gunicorn's threaded worker, with patience: a request gets a thread when all of it has arrived.

gunicorn's own hands a connection to a thread at its first byte, so a handful of slow phones, or of people who
mean harm, would hold every thread. Here the worker's one event loop collects requests, large ones on disk, and
whoever is slower than MIN_BYTES_A_SECOND or silent for SILENT_SECONDS is cut off. Threads never wait for a sender.
What lies on disk unfinished is little: long bodies go to one address, and all together have ARRIVING_BYTES.
"""

import re
import socket
import struct
import time
from functools import partial
from selectors import EVENT_READ
from tempfile import SpooledTemporaryFile

from gunicorn.http import get_parser
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from config import Config, carries_photos

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10
MIN_BYTES_A_SECOND = 2 * 1024  # a phone at the edge of the network is slower than 8
SILENT_SECONDS = 30  # a phone that loses the network for a moment; also what its body may be late by at first
CREDIT_SECONDS = 300  # by how much a fast start may make up for what is slow later
MEMORY_BYTES = 32 * 1024  # of one request; a longer one waits on disk
ARRIVING_BYTES = 128 * 1024 * 1024  # of all requests that are on their way to one worker
RECEIVE_BYTES = 256 * 1024
FAREWELL_SECONDS = 2

# Nearly every answer fits into the kernel's buffer; whoever does not take a larger one in this time loses it.
SEND_BUFFER_BYTES = 512 * 1024
SEND_SECONDS = 10

END_OF_HEAD = b"\r\n\r\n"
REQUEST_LINE = re.compile(rb"(\S+) ([^\s?]+)")
TYPE = re.compile(rb"\r\ncontent-type:[ \t]*([^\r\n]*)", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*(?=\r\n)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


class Request:
    """The bytes of one request as they arrive; for gunicorn's parser, the socket they are read from."""

    def __init__(self, sock):
        self._sock = sock
        self._file = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115  closed with its request
        self._head = b""
        self._missing = None  # bytes of the body still to come; None before the head is complete
        self.body_bytes = 0  # of it, so far
        self.is_whole = False  # the connection can be used again after it
        self.deadline = time.monotonic() + HEAD_SECONDS

    @property
    def is_empty(self):
        return not self._head

    def receive(self):
        """Take what is there; True when a thread can judge it. Raises OSError when the sender is gone or babbles."""
        data = self._sock.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionResetError
        if self._missing is None:
            self._head += data
            end = self._head.find(END_OF_HEAD)
            if end < 0:
                if len(self._head) > HEAD_BYTES:
                    raise ConnectionAbortedError
                return False
            end += len(END_OF_HEAD)
            self._file.write(self._head[:end])
            data = self._head[end:]
            if not self._expect_body(self._head[:end]):
                return self._finish(is_whole=False)
        self._file.write(data[: self._missing])
        self._go_on(len(data))
        surplus = len(data) - self._missing
        self._missing = max(0, -surplus)
        # A second request sent behind the first without waiting is dropped: its sender asks again.
        return self._missing == 0 and self._finish(is_whole=surplus <= 0)

    def recv(self, size):
        """For the parser: never waits; empty at the end."""
        return self._file.read(size)

    def close(self):
        self._file.close()

    def _expect_body(self, head):
        """False for a body that is too long, or of no certain length: it is refused by its head alone."""
        lengths = [int(digits) for digits in LENGTH.findall(head)] or [0]
        self._missing = lengths[0]
        self.body_begun_at = self._paid_until = time.monotonic()
        if len(lengths) > 1 or self._missing > _most_bytes(head) or CHUNKED.search(head):
            return False
        if self._missing and CONTINUE.search(head):
            self._sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _go_on(self, received):
        """Time for more, by what has come so far: the length that the head promised buys none."""
        now = time.monotonic()
        self.body_bytes += received
        self._paid_until = min(self._paid_until + received / MIN_BYTES_A_SECOND, now + CREDIT_SECONDS)
        self.deadline = min(now, self._paid_until) + SILENT_SECONDS

    def _finish(self, *, is_whole):
        self.is_whole = is_whole
        self._file.seek(0)
        return True


def _most_bytes(head):
    line, kind = REQUEST_LINE.match(head), TYPE.search(head)
    named = [part.decode("latin-1") for part in (*line.groups(), kind[1])] if line and kind else None
    return Config.MAX_CONTENT_LENGTH if named and carries_photos(*named) else Config.MAX_FORM_MEMORY_SIZE


class Farewell:
    """The end of a connection: what is still sent is thrown away, or the answer might not arrive whole."""

    is_empty = False
    body_bytes = 0

    def __init__(self, sock):
        sock.setblocking(False)
        sock.shutdown(socket.SHUT_WR)
        self._sock = sock
        self.deadline = time.monotonic() + FAREWELL_SECONDS

    def receive(self):
        if not self._sock.recv(RECEIVE_BYTES):
            raise ConnectionResetError

    def close(self):
        pass


class PatientWorker(ThreadWorker):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._receiving = set()
        self._swept_at = 0.0

    def enqueue_req(self, conn):
        """A connection is new, or was kept and speaks again: collect its request first."""
        request = Request(conn.sock)
        if conn.parser is None:
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
            conn.parser = get_parser(self.cfg, request, conn.client)
            conn.initialized = conn.data_ready = True
        conn.parser.unreader.sock = request
        conn.sock.setblocking(False)
        self._start_receiving(conn, request)

    def handle(self, conn):
        try:
            return super().handle(conn) and conn.request.is_whole
        finally:
            conn.request.close()

    def finish_request(self, conn, future):
        """Keep the connection, or part from it without making the others wait."""
        if not future.cancelled() and future.result():
            super().finish_request(conn, future)
            return
        try:
            self._start_receiving(conn, Farewell(conn.sock))
        except OSError:  # the other side has gone first
            self.nr_conns -= 1
            conn.close()

    def murder_pending(self):
        """Cut off whoever is too slow; while stopping, whoever has not begun to speak."""
        now = time.monotonic()
        if now < self._swept_at + 0.5:
            return
        self._swept_at = now
        for conn in [conn for conn in self._receiving if self._is_over(conn.request, now)]:
            self._drop(conn)
        self._make_room()

    def _make_room(self):
        """Whose body has been on its way the longest goes first: nobody's can fill the disk and stay there."""
        arriving = [conn for conn in self._receiving if conn.request.body_bytes]
        surplus = sum(conn.request.body_bytes for conn in arriving) - ARRIVING_BYTES
        for conn in sorted(arriving, key=lambda conn: conn.request.body_begun_at):
            if surplus <= 0:
                return
            surplus -= conn.request.body_bytes
            self._drop(conn)

    def _is_over(self, request, now):
        if not self.alive and request.is_empty:
            return now > request.deadline - HEAD_SECONDS + STOP_KEEPALIVE_LINGER
        return now > request.deadline

    def _receive(self, conn, _sock):
        try:
            is_ready = conn.request.receive()
        except BlockingIOError:
            return
        except OSError:
            self._drop(conn)
            return
        if is_ready:
            self._stop_receiving(conn)
            super().enqueue_req(conn)

    def _start_receiving(self, conn, request):
        conn.request = request
        self._receiving.add(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))

    def _drop(self, conn):
        self._stop_receiving(conn)
        conn.request.close()
        self.nr_conns -= 1
        conn.close()

    def _stop_receiving(self, conn):
        self._receiving.discard(conn)
        self.poller.unregister(conn.sock)
