"""A form sent from elsewhere is refused before its handler runs."""

import re

import pytest

from config import TestingConfig
from portal import create_app
from portal.extensions import db
from portal.models import AuditEvent, LoginSession, User
from tests import factories
from tests.abuse.test_matrix import routes

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@pytest.fixture
def app(environment):
    """The app as it runs outside of tests: with its check against forged requests."""
    config = TestingConfig(environment)
    config.WTF_CSRF_ENABLED = True
    app = create_app(config)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def log_in(app, user):
    client = app.test_client()
    with app.app_context():
        token = TOKEN.search(client.get("/login").text)[1]
        data = {"email": user.email, "password": factories.PASSWORD, "csrf_token": token}
        assert client.post("/login", data=data).status_code == 302
    return client


def test_every_post_without_a_token_is_refused(app):
    case = factories.make_case("classified")
    client = log_in(app, factories.make_user("admin"))
    db.session.rollback()
    before = db.session.scalar(db.select(db.func.count()).select_from(AuditEvent))
    values = {
        "case_id": case.id,
        "patient_id": case.patient.id,
        "user_id": case.submitted_by_id,
        "clinic_id": case.clinic_id,
        "token": "x" * 43,
    }
    posts = [rule for _endpoint, methods, rule in routes(app) if "POST" in methods]
    assert len(posts) >= 22
    for rule in posts:
        url = app.url_map.bind("localhost").build(rule.endpoint, {name: values.get(name, 1) for name in rule.arguments})
        with app.app_context():
            assert client.post(url, data={"name": "x"}).status_code == 400, rule.endpoint
            assert client.post(url, data={"csrf_token": "forged"}).status_code == 400, rule.endpoint
    db.session.rollback()
    assert db.session.scalar(db.select(db.func.count()).select_from(AuditEvent)) == before
    assert db.session.scalar(db.select(LoginSession.ended_at)) is None


def test_the_token_of_another_session_is_refused(app):
    users = [factories.make_user("admin"), factories.make_user("admin")]
    mine, theirs = [log_in(app, user) for user in users]
    with app.app_context():
        token = TOKEN.search(theirs.get("/account").text)[1]
        assert mine.post("/account/language", data={"language": "es", "csrf_token": token}).status_code == 400
        assert theirs.post("/account/language", data={"language": "es", "csrf_token": token}).status_code == 302


def test_the_token_from_before_the_login_does_not_outlive_it(app):
    user = factories.make_user("admin")
    client = app.test_client()
    with app.app_context():
        token = TOKEN.search(client.get("/login").text)[1]
        data = {"email": user.email, "password": factories.PASSWORD, "csrf_token": token}
        assert client.post("/login", data=data).status_code == 302
        assert client.post("/account/language", data={"language": "es", "csrf_token": token}).status_code == 400
        assert db.session.get(User, user.id).language == "en"
