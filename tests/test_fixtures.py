"""The suite's own ground: what the fixtures promise, on both databases."""

import pytest
from sqlalchemy import text

from portal.extensions import db
from portal.models import STATUSES, Case
from tests import factories


@pytest.mark.databases
def test_the_database_is_migrated_and_empty(app):
    assert db.session.scalar(db.select(db.func.count()).select_from(Case)) == 0
    factories.make_case()
    assert db.session.scalar(db.select(db.func.count()).select_from(Case)) == 1


@pytest.mark.databases
def test_the_app_uses_the_database_its_name_says(app, database_kind):
    assert db.engine.dialect.name == database_kind
    version = db.session.scalar(
        text("SELECT version()" if database_kind == "postgresql" else "SELECT sqlite_version()")
    )
    if database_kind == "sqlite":
        assert tuple(map(int, version.split("."))) >= (3, 51, 3), "this SQLite may lose commits in WAL mode"


@pytest.mark.databases
@pytest.mark.parametrize("status", STATUSES)
def test_a_case_can_be_made_in_every_status(app, status):
    assert factories.make_case(status).status == status


def test_a_request_sees_committed_rows_and_the_test_sees_its_changes(app, client):
    clinic = factories.make_clinic(name="Before")

    @app.route("/rename")
    def rename():
        db.session.scalar(db.select(factories.Clinic)).name = "After"
        db.session.commit()
        return ""

    client.get("/rename")
    assert clinic.name == "After"


def test_redis_answers(redis_server):
    assert redis_server.client.ping()


def test_the_browser_opens_a_page(page):
    page.set_content("<h1>Hello</h1>")
    assert page.get_by_role("heading").inner_text() == "Hello"
