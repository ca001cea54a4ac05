"""A crowd at the door, five hundred of it on purpose slow: everybody is answered, and the server does not grow."""

import random
import uuid

import psutil
import pytest

from portal.services.attempts import count_attempt
from tests import factories
from tests.abuse.crowd import Crowd
from tests.faults.visitor import PHOTOS, Visitor
from tests.processes import PYTHON, WebServer, free_port

pytestmark = pytest.mark.slow

FINE = {200, 302, 303, 304, 429, 503}


@pytest.fixture
def environment(environment):
    return environment | {"PORTAL_ENV": "testing"}  # forms are sent without their page: no token


@pytest.fixture
def server(environment, data_dir, app, redis_server):
    """The web server as deployed, but for the restart after some thousand requests, which would hide a leak."""
    port = free_port()
    command = [PYTHON, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--max-requests", "0", "portal:create_app()"]
    server = WebServer(command, data_dir / "web.log", environment, port).start()
    yield server
    server.stop(5)


def size_mb(server):
    """What the web server's processes hold for themselves."""
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    return sum(process.memory_full_info().uss for process in family) / 1e6


class WorkingDay:
    """Mostly looking, some sending, and somebody who guessed passwords and is shut out."""

    def __init__(self, server):
        case = factories.make_case("classified")
        image = f"/images/{case.dermoscopic_image.id}"
        nurse, clinician = (factories.make_user(role, clinic=case.clinic) for role in ("health_worker", "clinician"))
        self.nurse, reader = (Visitor(server.url, user).cookies for user in (nurse, clinician))
        self.looks = [(path, "") for path in ("/login", "/healthz", "/readyz", "/static/css/portal.css", "/")]
        of_nurse = ("/cases/new", "/cases", f"/cases/{case.id}/status", "/patients")
        of_reader = ("/queue", f"/cases/{case.id}", image, f"{image}/thumbnail")
        self.looks += [(path, self.nurse) for path in of_nurse] + [(path, reader) for path in of_reader]
        for _try in range(20):
            count_attempt(address="127.0.0.1", subject="nobody@example.org")

    def requests(self, number):
        return (self._make(index) for index in range(number))

    def _make(self, index):
        if index % 50 == 0:
            fields = {"submission_key": uuid.uuid4().hex, "reference": uuid.uuid4().hex[:12], "body_site": "back"}
            body, kind = Visitor.encode(fields | {"consent": "y"}, {"dermoscopic": PHOTOS[0]})
            return message("POST", "/cases/new", self.nurse, body, kind)
        if index % 10 == 5:
            body = b"email=nobody%40example.org&password=wrong"
            return message("POST", "/login", "", body, "application/x-www-form-urlencoded")
        path, cookie = random.choice(self.looks)
        return message("GET", path, cookie)


def message(method, path, cookie, body=b"", kind="text/plain"):
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: {cookie}\r\n"
    return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.databases(short="sqlite")
@pytest.mark.parametrize(
    ("requests", "at_once", "slow"), [(600, 50, 60), pytest.param(10_000, 200, 500, marks=pytest.mark.long)]
)
def test_a_crowd_with_slow_people_in_it(server, requests, at_once, slow):
    crowd = Crowd(int(server.url.rpartition(":")[2]), at_once=at_once, slow=slow)
    day = WorkingDay(server)
    crowd.send(day.requests(max(300, requests // 10)))
    before = size_mb(server)
    answers = crowd.send(day.requests(requests))
    after = size_mb(server)
    print(
        f"{requests} requests, {at_once} at once, {slow} slow: {dict(answers.statuses)}, median "
        f"{answers.at_percentile(50):.2f} s, 99 % in {answers.at_percentile(99):.2f} s, "
        f"memory {before:.0f} to {after:.0f} MB"
    )
    assert answers.broken == []
    assert set(answers.statuses) <= FINE and answers.statuses.total() == requests
    assert answers.statuses[303] == requests // 50, "every upload was taken"
    assert answers.statuses[429] == requests // 10
    assert after < 1.1 * before
