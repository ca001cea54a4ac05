"""The web worker: what it makes of odd requests, and that no slow or silent sender holds a thread."""

import socket
import time
from types import SimpleNamespace

import pytest

from config import Config
from ops import web_worker
from ops.web_worker import CREDIT_SECONDS, MIN_BYTES_A_SECOND, SILENT_SECONDS, PatientWorker, Request
from tests.processes import PYTHON, WebServer, free_port

pytestmark = pytest.mark.slow

PHOTO_HEAD = b"POST /cases/new HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=a\r\nContent-Length: %d\r\n\r\n"
PHOTO_HEAD %= Config.MAX_CONTENT_LENGTH
PLAIN = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def server(sqlite_databases, tmp_path_factory):
    """One for all: nothing in here leaves a trace in it."""
    folder, port = tmp_path_factory.mktemp("web"), free_port()
    env = {"PORTAL_ENV": "testing", "DATA_DIR": str(folder), "DATABASE_URL": sqlite_databases.create("web", folder)}
    command = [PYTHON, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    server = WebServer(command, folder / "web.log", env, port).start()
    yield server
    server.stop(5)


@pytest.fixture
def dial(server):
    """``dial()``: a fresh connection to the server, as a socket."""
    port = int(server.url.rpartition(":")[2])
    opened = []

    def connect():
        opened.append(socket.create_connection(("127.0.0.1", port), timeout=20))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def read_answer(connection):
    """Status and the rest, body included, of one answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return None, data
        data += received
    head, _end, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), head + body


def test_one_connection_serves_many_requests_in_any_pieces(dial):
    connection = dial()
    for _request in range(3):
        for part in (PLAIN[:20], PLAIN[20:], b"\r", b"\n"):
            connection.sendall(part)
            time.sleep(0.05)
        assert read_answer(connection)[0] == 200


def test_more_silent_connections_than_threads_hold_nobody_up(dial):
    crowd = [dial() for _connection in range(60)]
    begun = time.monotonic()
    for number, connection in enumerate(crowd):
        connection.sendall((b"", PLAIN, b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na")[number % 3])
    started = time.monotonic()
    connection = dial()
    connection.sendall(PLAIN + b"\r\n")
    assert read_answer(connection)[0] == 200
    assert time.monotonic() - started < 4
    assert crowd[0].recv(1) == crowd[1].recv(1) == b"", "who never finishes is cut off"
    assert 8 < time.monotonic() - begun < 15


def test_what_a_head_promises_buys_no_time():
    ours, theirs = socket.socketpair()
    request = Request(ours)
    theirs.sendall(PHOTO_HEAD + b"a")
    assert not request.receive()
    assert request.deadline < time.monotonic() + SILENT_SECONDS + 1
    theirs.sendall(b"a" * 60_000)
    while not request.receive() and request.body_bytes < 60_001:
        pass
    request._paid_until -= 40  # 1.5 KB a second by now
    theirs.sendall(b"a")
    assert not request.receive()
    assert request.deadline < time.monotonic() + SILENT_SECONDS - 5
    for sock in (ours, theirs):
        sock.close()
    request.close()


class Sender:
    """A socket from which comes what was put into it, and the clock by which it is read."""

    def __init__(self, monkeypatch):
        self.now, self._data = 1000.0, [PHOTO_HEAD]
        monkeypatch.setattr(web_worker, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.request = Request(self)
        self.request.receive()

    def recv(self, _size):
        return self._data.pop()

    def send(self, size, *, after):
        """False when the time for it was over before."""
        self.now += after
        self._data.append(b"x" * size)
        return self.now <= self.request.deadline and self.request.receive() is not None


def test_a_fast_start_is_lived_on_for_minutes_and_not_for_hours(monkeypatch):
    sender = Sender(monkeypatch)
    for _piece in range(80):
        assert sender.send(256 * 1024, after=0.01)
    started = sender.now
    while sender.send(1, after=SILENT_SECONDS - 1):
        pass
    assert CREDIT_SECONDS < sender.now - started < CREDIT_SECONDS + 2 * SILENT_SECONDS
    sender.request.close()


@pytest.mark.parametrize("bytes_a_second", [50_000, MIN_BYTES_A_SECOND])
def test_a_slow_phone_that_goes_on_sending_may_send_two_large_photos(monkeypatch, bytes_a_second):
    sender, left = Sender(monkeypatch), Config.MAX_CONTENT_LENGTH
    while left:
        size = min(10 * bytes_a_second, left)
        assert sender.send(size, after=10)
        left -= size
    assert sender.request.is_whole
    sender.request.close()


def test_of_too_much_on_its_way_the_oldest_goes(monkeypatch):
    def arriving(begun_at, megabytes):
        return SimpleNamespace(request=SimpleNamespace(body_begun_at=begun_at, body_bytes=megabytes * 2**20))

    worker, dropped = PatientWorker.__new__(PatientWorker), []
    monkeypatch.setattr(worker, "_drop", dropped.append, raising=False)
    quiet = SimpleNamespace(request=SimpleNamespace(body_bytes=0))
    old, older, new = arriving(2, 50), arriving(1, 20), arriving(3, 50)
    worker._receiving = [quiet, old, older, new]
    worker._make_room()
    assert dropped == []
    worker._receiving += [arriving(4, 20)]
    worker._make_room()
    assert dropped == [older]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/login", "application/x-www-form-urlencoded"),
        ("/login", "multipart/form-data; boundary=a"),
        ("/cases/new", "application/x-www-form-urlencoded"),
        ("/cases/new", "application/json"),
    ],
)
def test_a_long_body_that_is_no_photo_is_refused_unread(dial, path, kind):
    connection = dial()
    length = Config.MAX_FORM_MEMORY_SIZE + 1
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode())
    assert read_answer(connection)[0] == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (f"Content-Length: {Config.MAX_CONTENT_LENGTH + 1}", 413),
        ("Transfer-Encoding: chunked", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5x", 400),
        ("Content-Length: -1", 400),
    ],
)
def test_a_body_that_is_too_long_or_of_no_known_length_is_refused_unread(dial, headers, status):
    connection = dial()
    connection.sendall(f"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n\r\n".encode())
    assert read_answer(connection)[0] == status


def test_a_head_without_end_is_cut_off(dial):
    connection = dial()
    with pytest.raises(OSError):
        for _line in range(200):
            connection.sendall(b"X-Long: " + b"a" * 4000 + b"\r\n")
            time.sleep(0.01)


def test_who_asks_before_a_long_body_is_told_to_go_on(dial):
    connection = dial()
    head = b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n"
    connection.sendall(head)
    assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
    connection.sendall(b"a" * 100_000)
    time.sleep(0.5)
    answer = connection.recv(65536)
    assert b" 405 " in answer.split(b"\r\n\r\n")[-2 if answer.startswith(b"HTTP/1.1 100") else 0]


def test_a_second_request_sent_before_the_first_answer_is_not_mixed_up_with_it(dial):
    connection = dial()
    connection.sendall(PLAIN + b"\r\n" + b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    status, answer = read_answer(connection)
    assert status == 200 and b"<html" not in answer
    assert connection.recv(1) == b"", "the connection ends, so that the second is asked again"
