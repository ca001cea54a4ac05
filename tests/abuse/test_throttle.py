"""Guessing passwords against real web processes that share nothing but the database."""

import re
import statistics
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar

import pytest

from config import DevelopmentConfig
from portal import create_app
from portal.errors import DomainError
from portal.extensions import db
from portal.models import AuditEvent, LoginAttempt
from portal.passwords import hash_password
from portal.services import logins
from portal.services.attempts import TooManyTries
from tests import factories
from tests.processes import PYTHON, WebServer, free_port

pytestmark = pytest.mark.slow
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
LIMIT = 20
ATTACKER, HONEST = "203.0.113.9", "198.51.100.7"


class Visitor:
    """A browser behind one address, as the proxy in front tells it."""

    def __init__(self, url, address):
        self.url = url + "/login"
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()), _NoRedirect)
        self.opener.addheaders = [("X-Forwarded-For", address)]
        with self.opener.open(self.url, timeout=120) as page:
            self.token = TOKEN.search(page.read().decode())[1]

    def log_in(self, email, password):
        """The status of the answer."""
        data = urllib.parse.urlencode({"email": email, "password": password, "csrf_token": self.token}).encode()
        try:
            return self.opener.open(self.url, data, timeout=120).status
        except urllib.error.HTTPError as error:
            return error.code


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        return None


@pytest.fixture
def four_processes(app, environment, data_dir):
    port = free_port()
    command = [PYTHON, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "4", "portal:create_app()"]
    server = WebServer(command, data_dir / "web.log", {**environment, "PROXY_COUNT": "1"}, port).start()
    yield server
    server.stop(5)


@pytest.mark.databases
@pytest.mark.parametrize("tries", [pytest.param(60, id="short"), pytest.param(1000, id="long", marks=pytest.mark.long)])
def test_at_most_twenty_guesses_are_evaluated(four_processes, redis_server, tries):
    user = factories.make_user("clinician")
    email = user.email
    visitors = [Visitor(four_processes.url, ATTACKER) for _number in range(8)]

    def guess(number):
        if number == tries // 2:
            redis_server.client.flushall()
        return visitors[number % 8].log_in(email if number % 2 else "nobody@example.org", f"wrong password {number}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(tries)))
    assert set(answers) == {400, 429}
    assert answers.count(400) == LIMIT
    db.session.rollback()  # read what the other processes wrote
    assert db.session.scalar(db.select(db.func.count()).select_from(LoginAttempt)) == LIMIT
    assert visitors[0].log_in(email, factories.PASSWORD) == 429, "the right password is not even looked at"
    assert Visitor(four_processes.url, HONEST).log_in(email, factories.PASSWORD) == 302
    db.session.rollback()
    limits = db.select(db.func.count()).where(AuditEvent.action == "login.limit_reached")
    assert db.session.scalar(limits) == 1


@pytest.fixture
def real_cost(environment):
    """The app with argon2 at its real cost."""
    app = create_app(DevelopmentConfig(environment))
    app.config["LOGIN_FAILURES_PER_ADDRESS"] = 10_000
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_an_unknown_account_costs_the_same_time(real_cost):
    known = factories.make_user("clinician", password_hash=hash_password(factories.PASSWORD))
    closed = factories.make_user("clinician", password_hash=known.password_hash, is_active=False)
    waiting = factories.make_user("clinician", password_hash=None)
    emails = [known.email, closed.email, waiting.email, "nobody@example.org"]
    seconds = {email: [] for email in emails}
    for _round in range(25):
        for email in emails:
            # Processor time: this machine may be busy with other things.
            start = time.process_time()
            with pytest.raises(DomainError, match="Email or password is wrong"):
                logins.log_in(email=email, password="wrong password", address=ATTACKER, user_agent="")
            seconds[email].append(time.process_time() - start)
    medians = [statistics.median(values) for values in seconds.values()]
    assert max(medians) < 1.1 * min(medians), medians


def test_the_window_slides(app):
    for number in range(LIMIT):
        with pytest.raises(DomainError, match="wrong"):
            logins.log_in(email="nobody@example.org", password=f"{number}", address=ATTACKER, user_agent="")
    with pytest.raises(TooManyTries):
        logins.log_in(email="nobody@example.org", password="x", address=ATTACKER, user_agent="")
    oldest = db.session.scalar(db.select(LoginAttempt).order_by(LoginAttempt.id))
    oldest.at -= app.config["LOGIN_WINDOW"]
    db.session.commit()
    with pytest.raises(DomainError, match="Email or password is wrong"):
        logins.log_in(email="nobody@example.org", password="x", address=ATTACKER, user_agent="")
    with pytest.raises(TooManyTries):
        logins.log_in(email="nobody@example.org", password="x", address=ATTACKER, user_agent="")
