"""A backup holds every row as it was, opens with its passphrase alone, and is restored whole or not at all."""

import gzip
import io
import json
import re

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from config import TestingConfig
from portal import create_app
from portal.backup import ROWS_AT_ONCE, CannotRestore, restore_backup, write_backup
from portal.extensions import db
from portal.models import AuditEvent, Case, LoginSession, User
from portal.sealed_file import SealedReader, SealedWriter
from portal.services import accounts, audit
from tests import factories

pytestmark = pytest.mark.databases

PASSPHRASE = "a long enough passphrase"
EARLIER = "2026_11_24_no_age_in_views"
LATER = ("facts_then", "told_at", "told_by_id", "claim_key")  # columns of "case" that came after it


@pytest.fixture
def filled(app):
    old = factories.make_case("retake")
    factories.make_case("queued", replaces=old, lesion=old.lesion)
    factories.make_case("reviewed")
    factories.make_first_read(factories.make_case("classified"))
    for number in range(2 * ROWS_AT_ONCE):
        audit.record(action="test.happened", details={"ü": number})
    db.session.commit()
    return app


@pytest.fixture
def backup(filled, data_dir):
    path = data_dir / "backup"
    write_backup(path, PASSPHRASE)
    return path


@pytest.fixture
def other(request, filled, tmp_path, data_dir):
    """An empty migrated database of the other kind, as the current app."""
    kind = "postgresql" if db.engine.dialect.name == "sqlite" else "sqlite"
    databases = request.getfixturevalue(f"{kind}_databases")
    name = f"other_{data_dir.name.replace('-', '_').lower()}"
    app = create_app(TestingConfig({"DATA_DIR": str(tmp_path), "DATABASE_URL": databases.create(name, tmp_path)}))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    databases.drop(name)


def all_rows():
    with db.engine.connect() as connection:
        return {
            table.name: connection.execute(select(table).order_by(*table.primary_key)).all()
            for table in db.metadata.sorted_tables
        }


def test_it_restores_into_the_other_kind_of_database_row_for_row(backup, filled, request):
    before = all_rows()
    assert len(before["case"]) == 4 and len(before["image"]) == 4
    request.getfixturevalue("other")
    restore_backup(backup, PASSPHRASE)
    assert all_rows() == before
    # The next row gets a number of its own.
    assert factories.make_review(factories.make_case("classified")).id > max(row.id for row in before["review"])


def test_one_of_an_earlier_release_goes_into_its_schema_and_then_up(backup, filled, request):
    before = all_rows()
    rewrite(backup, as_of_earlier_release)
    request.getfixturevalue("other")
    with pytest.raises(CannotRestore, match=f"run `flask --app portal db upgrade {EARLIER}`"):
        restore_backup(backup, PASSPHRASE)
    downgrade(revision=EARLIER)
    restore_backup(backup, PASSPHRASE)
    upgrade()
    assert all_rows() == before


def test_none_is_made_of_what_a_newer_release_stored(filled, runner, data_dir, monkeypatch):
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of_tomorrow'"))
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE)
    result = runner.invoke(args=["backup", str(data_dir / "backup")])
    assert result.exit_code == 1 and "Make the backup with the newer release." in result.output
    assert not (data_dir / "backup").exists() and not (data_dir / "backup.part").exists()


def as_of_earlier_release(lines):
    """A backup's lines as EARLIER had them: without the columns that came after it."""
    kept = []
    for line in lines:
        if isinstance(line, list):
            line = [line[position] for position in kept]
        elif "revision" in line:
            line["revision"] = EARLIER
        elif "table" in line:
            later = LATER if line["table"] == "case" else ()
            kept = [position for position, name in enumerate(line["columns"]) if name not in later]
            line["columns"] = [line["columns"][position] for position in kept]
        yield line


def lines_of(path):
    with open(path, "rb") as file, gzip.GzipFile(fileobj=io.BufferedReader(SealedReader(file, PASSPHRASE))) as packed:
        return [json.loads(line) for line in packed]


def rewrite(path, change):
    lines = lines_of(path)
    with open(path, "wb") as file:
        sealed = SealedWriter(file, PASSPHRASE)
        with gzip.GzipFile(fileobj=sealed, mode="wb") as packed:
            packed.writelines(json.dumps(line).encode() + b"\n" for line in change(lines))
        sealed.finish()


def test_it_is_taken_as_of_one_moment_and_closed_to_others(backup):
    assert backup.stat().st_mode & 0o777 == 0o600
    data = backup.read_bytes()
    assert b"Ada Example" not in data and b"JFIF" not in data
    assert not backup.with_name("backup.part").exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "no chunk", "append", "empty", "another file"])
def test_a_damaged_backup_is_refused_and_changes_nothing(backup, request, damage):
    data = backup.read_bytes()
    backup.write_bytes(
        {
            "flip": data[:200] + bytes([data[200] ^ 1]) + data[201:],
            "cut": data[:-1],
            "no chunk": data[:32],
            "append": data + b"\0",
            "empty": b"",
            "another file": b"x" * 5000,
        }[damage]
    )
    request.getfixturevalue("other")
    with pytest.raises(CannotRestore):
        restore_backup(backup, PASSPHRASE)
    assert not any(all_rows().values())


def test_another_passphrase_opens_nothing(backup, request):
    request.getfixturevalue("other")
    with pytest.raises(CannotRestore, match="passphrase"):
        restore_backup(backup, "another passphrase")
    assert not any(all_rows().values())


def test_a_filled_database_is_left_alone(backup):
    with pytest.raises(CannotRestore, match="empty"):
        restore_backup(backup, PASSPHRASE)
    assert db.session.scalar(select(db.func.count()).select_from(Case)) == 4


def test_commands(backup, runner, data_dir, monkeypatch):
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE)
    result = runner.invoke(args=["backup", str(data_dir / "again")])
    assert result.exit_code == 0 and "rows written" in result.output
    result = runner.invoke(args=["restore", str(backup)])
    assert result.exit_code == 1 and "holds rows already" in result.output
    monkeypatch.setenv("BACKUP_PASSPHRASE", "short")
    assert runner.invoke(args=["backup", str(data_dir / "short")]).exit_code == 1
    assert not (data_dir / "short").exists()


def test_it_is_noted_once_it_is_in_place(filled, runner, data_dir, monkeypatch):
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE)
    path = data_dir / "backup"
    runner.invoke(args=["backup", str(data_dir / "nowhere" / "backup")])
    assert events("backup.made") == []
    assert runner.invoke(args=["backup", str(path)]).exit_code == 0
    rows = sum(lines_of(path)[-1]["counts"].values())
    assert events("backup.made") == [{"rows": rows, "bytes": path.stat().st_size}]


def test_one_that_cannot_be_noted_stands_all_the_same(filled, runner, data_dir, monkeypatch):
    def refuse(**_event):
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(audit, "record", refuse)
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE)
    result = runner.invoke(args=["backup", str(data_dir / "backup")])
    assert result.exit_code == 0 and "it could not be noted" in result.stderr
    assert lines_of(data_dir / "backup")[-1]["counts"]["case"] == 4


def test_one_of_a_database_made_anew_leaves_a_far_larger_one_alone(backup, data_dir, request, monkeypatch):
    before = backup.read_bytes()
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE)
    runner = request.getfixturevalue("other").test_cli_runner()
    refused = runner.invoke(args=["backup", str(backup)])
    assert refused.exit_code == 1 and f"holds {len(before)} bytes" in refused.output
    assert "choose another file" in refused.output and events("backup.made") == []
    assert backup.read_bytes() == before and not (data_dir / "backup.part").exists()
    for _evening in range(2):
        assert runner.invoke(args=["backup", str(data_dir / "small")]).exit_code == 0


def test_what_ended_since_is_not_opened_again(filled, as_user, data_dir, request, monkeypatch):
    user = as_user("clinician").user
    link, email = accounts.issue_reset_link(user=user), user.email
    write_backup(data_dir / "backup", PASSPHRASE)
    made_at = lines_of(data_dir / "backup")[0]["made_at"]
    other = request.getfixturevalue("other")
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE)
    result = other.test_cli_runner().invoke(args=["restore", str(data_dir / "backup")])
    assert result.exit_code == 0, result.output
    assert "Everybody has to log in again" in result.output and "each account closed" in result.output
    assert f"as they were at {made_at[:10]} {made_at[11:16]} UTC" in result.output
    sessions = select(LoginSession.ended_at).join(LoginSession.user).where(User.email == email)
    assert db.session.scalars(sessions).one() is not None
    assert accounts.find_reset_user(link) is None
    assert events("backup.restored") == [{"made_at": made_at}] and audit.find_first_break() is None


def events(action):
    return db.session.scalars(select(AuditEvent.details).where(AuditEvent.action == action)).all()


def test_the_passphrase_is_asked_for_and_taken_from_no_command_line(backup, runner, data_dir, request, monkeypatch):
    monkeypatch.delenv("BACKUP_PASSPHRASE", raising=False)
    path = data_dir / "again"
    result = runner.invoke(args=["backup", "--passphrase", PASSPHRASE, str(path)])
    assert result.exit_code == 2 and "No such option" in result.output
    result = runner.invoke(args=["backup", str(path)], input=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert result.exit_code == 0 and PASSPHRASE not in result.output
    other = request.getfixturevalue("other")
    result = other.test_cli_runner().invoke(args=["restore", str(path)], input=f"{PASSPHRASE}\n")
    assert result.exit_code == 0 and "rows restored" in result.output


def test_a_database_without_tables_is_told_what_it_lacks(backup, request):
    request.getfixturevalue("other")
    downgrade(revision="base")
    db.session.execute(text("DROP TABLE alembic_version"))
    db.session.commit()
    with pytest.raises(CannotRestore, match="This database has no tables: run `flask") as refused:
        restore_backup(backup, PASSPHRASE)
    upgrade(revision=re.search(r"db upgrade (\w+)`, restore", str(refused.value))[1])
    restore_backup(backup, PASSPHRASE)
    assert db.session.scalar(select(db.func.count()).select_from(Case)) == 4


def test_a_backup_with_a_broken_trail_still_brings_the_patients_back(backup, filled, request, monkeypatch):
    before = all_rows()
    rewrite(backup, with_a_broken_trail)
    other = request.getfixturevalue("other")
    monkeypatch.setenv("BACKUP_PASSPHRASE", PASSPHRASE)
    result = other.test_cli_runner().invoke(args=["restore", str(backup)])
    rows = sum(len(table) for table in before.values())
    assert result.exit_code == 1 and f"{rows} rows restored" in result.output
    assert "Everybody has to log in again" in result.output
    assert f"the audit trail in it is broken at event {before['audit_event'][0].id} of " in result.output
    after = all_rows()
    *as_they_were, noted = after.pop("audit_event")
    assert len(as_they_were) == len(before.pop("audit_event")) and noted.action == "backup.restored"
    assert after == before and audit.find_first_break().id == as_they_were[0].id


def with_a_broken_trail(lines):
    """A backup's lines with another act in the trail's first entry."""
    columns = db.metadata.tables["audit_event"].columns.keys()
    first = lines[lines.index({"table": "audit_event", "columns": columns}) + 1]
    first[columns.index("action")] = "test.invented"
    return lines
