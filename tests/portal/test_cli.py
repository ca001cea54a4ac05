"""The operator's commands, run as an operator runs them."""

import json
import stat
import uuid

import pytest
from sqlalchemy import text

from portal.extensions import db
from portal.models import AuditEvent, Case, Clinic, User
from portal.services import accounts, audit, logins
from tests import factories
from tests.photos import lesion_photo

pytestmark = pytest.mark.databases
PASSWORD = "a long and quiet river\n"


def find_user(email):
    return db.session.scalar(db.select(User).where(User.email == email))


def test_create_user_who_can_log_in(runner):
    arguments = ["user", "create", "--email", "Nurse@Clinic.example", "--role", "health_worker"]
    result = runner.invoke(args=[*arguments, "--clinic", "Hill", "--password-stdin"], input=PASSWORD)
    assert result.exit_code == 0, result.output
    user = find_user("nurse@clinic.example")
    assert [clinic.name for clinic in user.clinics] == ["Hill"]
    assert "river" not in result.output
    session = logins.log_in(email=user.email, password=PASSWORD.strip(), address="192.0.2.1", user_agent="")
    assert session.two_factor_passed


def test_clinician_of_several_clinics(runner):
    factories.make_clinic(name="Hill")
    arguments = [
        "user",
        "create",
        "--email",
        "d@x.example",
        "--role",
        "clinician",
        "--clinic",
        "Hill",
        "--clinic",
        "Dale",
    ]
    result = runner.invoke(args=arguments)
    assert result.exit_code == 0, result.output
    assert [clinic.name for clinic in find_user("d@x.example").clinics] == ["Dale", "Hill"]
    assert "Created the clinic Dale." in result.output and "Created the clinic Hill." not in result.output


def test_without_a_password_a_link_is_printed_that_works(runner, client):
    result = runner.invoke(args=["user", "create", "--email", "a@x.example", "--role", "admin"])
    link = next(word for word in result.output.split() if word.startswith("/reset/"))
    assert client.post(link, data={"password": PASSWORD.strip()}).location == "/login"
    assert client.post("/login", data={"email": "a@x.example", "password": PASSWORD.strip()}).location == "/"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--email", "nobody", "--role", "admin"], "This is not an email address."),
        (["--email", "a@x.example", "--role", "health_worker"], "A health worker needs exactly one clinic."),
        (["--email", "a@x.example", "--role", "chief"], "'chief' is not one of"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(runner, options, sentence):
    result = runner.invoke(args=["user", "create", *options])
    assert result.exit_code != 0
    assert sentence in result.output and "Traceback" not in result.output
    assert db.session.scalar(db.select(db.func.count()).select_from(User)) == 0


@pytest.mark.parametrize(
    ("email", "password", "clinics", "sentence"),
    [
        ("nobody", PASSWORD, ["Dale"], "This is not an email address."),
        ("a@x.example", "short", ["Dale"], "at least 12"),
        ("taken@x.example", PASSWORD, ["Dale"], "An account with this email exists."),
        ("a@x.example", PASSWORD, ["Dale", "Hill"], "A health worker needs exactly one clinic."),
    ],
)
def test_no_clinic_is_made_for_an_account_that_cannot_be(runner, email, password, clinics, sentence):
    factories.make_user("admin", email="taken@x.example")
    names = [option for clinic in clinics for option in ("--clinic", clinic)]
    arguments = ["user", "create", "--email", email, "--role", "health_worker", *names, "--password-stdin"]
    result = runner.invoke(args=arguments, input=password)
    assert result.exit_code == 1 and sentence in result.output and "Created" not in result.output
    db.session.rollback()  # as the end of the command's process does
    assert db.session.scalar(db.select(db.func.count()).select_from(Clinic)) == 0


def test_an_account_at_a_closed_clinic_is_refused(runner):
    factories.make_clinic(name="Hill", is_active=False)
    result = runner.invoke(args=["user", "create", "--email", "a@x.example", "--role", "clinician", "--clinic", "Hill"])
    assert result.exit_code == 1 and "Hill is closed. Choose another clinic." in result.output
    assert find_user("a@x.example") is None


def test_short_password_is_refused(runner):
    arguments = ["user", "create", "--email", "a@x.example", "--role", "admin", "--password-stdin"]
    result = runner.invoke(args=arguments, input="short\n")
    assert result.exit_code == 1 and "at least 12" in result.output


def test_demo_accounts_are_made_once_and_written_for_their_owner_only(app, runner):
    path = app.config["DATA_DIR"] / "demo-accounts.json"
    first = runner.invoke(args=["demo-accounts"])
    assert first.exit_code == 0, first.output
    people = json.loads(path.read_text())
    assert {person["role"] for person in people} == {"health_worker", "clinician", "admin"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(person["password"] in first.output for person in people)
    for person in people:
        logins.log_in(email=person["email"], password=person["password"], address="192.0.2.1", user_agent="")
    path.unlink()
    second = runner.invoke(args=["demo-accounts"])
    assert (second.exit_code, second.output, path.exists()) == (0, "", False)


def test_demo_accounts_cut_short_are_finished_with_the_passwords_written_down(app, runner):
    runner.invoke(args=["demo-accounts"])
    people = json.loads((app.config["DATA_DIR"] / "demo-accounts.json").read_text())
    db.session.execute(db.delete(User).where(User.role == "admin"))
    db.session.commit()
    assert runner.invoke(args=["demo-accounts"]).exit_code == 0
    for person in people:
        logins.log_in(email=person["email"], password=person["password"], address="192.0.2.1", user_agent="")


def test_case_submit_makes_a_case_with_what_was_told(runner):
    clinic = factories.make_clinic(name="Hill")
    submitter = factories.make_user("health_worker", clinic=clinic)
    options = ["--clinic", "Hill", "--age", "62", "--sex", "male", "--site", "back"]
    result = runner.invoke(args=["case", "submit", "-", *options], input=lesion_photo())
    assert result.exit_code == 0, result.output
    case = db.session.get(Case, uuid.UUID(result.output.strip().splitlines()[-1]))
    assert (case.clinic, case.submitted_by, case.status) == (clinic, submitter, "queued")
    assert (case.age_years, case.patient.sex, case.lesion.body_site) == (62, "male", "back")


def test_case_submit_refuses_what_is_no_photo(runner):
    factories.make_user("health_worker", clinic=factories.make_clinic(name="Hill"))
    result = runner.invoke(args=["case", "submit", "-", "--clinic", "Hill", "--site", "back"], input=b"no photo")
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert db.session.scalar(db.select(db.func.count()).select_from(Case)) == 0


def test_case_submit_names_a_clinic_that_is_not_there(runner):
    result = runner.invoke(args=["case", "submit", "-", "--clinic", "Nowhere"], input=b"")
    assert result.exit_code == 1 and "There is no clinic 'Nowhere'." in result.output


def test_requeue_takes_up_failed_cases_only(runner):
    failed, reviewed = factories.make_case("failed"), factories.make_case("reviewed")
    result = runner.invoke(args=["case", "requeue"])
    assert result.exit_code == 0, result.output
    assert "1 failed cases wait again; rang for 1 waiting" in result.output
    assert (failed.status, reviewed.status) == ("queued", "reviewed")


def test_requeue_one_case(runner):
    chosen, other = factories.make_case("failed"), factories.make_case("failed")
    assert runner.invoke(args=["case", "requeue", str(chosen.id)]).exit_code == 0
    assert (chosen.status, other.status) == ("queued", "failed")
    missing = runner.invoke(args=["case", "requeue", str(uuid.uuid4())])
    assert missing.exit_code == 1 and "There is no such case" in missing.output


def test_audit_head_is_found_again_and_a_cut_trail_is_noticed(runner):
    clinic = factories.make_clinic()
    for number in range(3):
        accounts.create_user(email=f"{number}@x.example", name="A", role="clinician", clinics=[clinic])
    head = runner.invoke(args=["audit", "head"]).output.strip()
    assert runner.invoke(args=["audit", "verify", "--head", head]).exit_code == 0
    cut = runner.invoke(args=["audit", "verify", "--head", f"99:{head.partition(':')[2]}"])
    assert cut.exit_code == 1 and "not in the trail any more" in cut.output


def test_audit_verify_finds_one_flipped_byte(runner):
    clinic = factories.make_clinic()
    for number in range(5):
        accounts.create_user(email=f"{number}@x.example", name="A", role="clinician", clinics=[clinic])
    assert runner.invoke(args=["audit", "verify"]).exit_code == 0
    third = db.session.scalars(db.select(AuditEvent.id).order_by(AuditEvent.id)).all()[2]
    # What somebody with the database in hand could do: the triggers go, one byte changes.
    is_sqlite = db.engine.dialect.name == "sqlite"
    for name in _trigger_names() if is_sqlite else ():
        db.session.execute(text(f"DROP TRIGGER {name}"))
    if not is_sqlite:
        db.session.execute(text("ALTER TABLE audit_event DISABLE TRIGGER USER"))
    db.session.execute(text("UPDATE audit_event SET action = 'user.creatf' WHERE id = :id"), {"id": third})
    db.session.commit()
    result = runner.invoke(args=["audit", "verify"])
    assert result.exit_code == 1 and f"broken at event {third}" in result.output
    assert audit.find_first_break().id == third


@pytest.mark.parametrize(
    "command", [["user"], ["user", "create"], ["case", "submit"], ["case", "requeue"], ["audit", "verify"]]
)
def test_every_command_explains_itself(runner, command):
    result = runner.invoke(args=[*command, "--help"])
    assert result.exit_code == 0 and len(result.output.splitlines()) > 6


def test_a_reset_link_for_somebody_and_two_factor_off(runner):
    user = factories.make_user("clinician", totp_secret="A" * 32)
    assert "/reset/" in runner.invoke(args=["user", "reset-password", user.email]).output
    assert runner.invoke(args=["user", "reset-two-factor", user.email]).exit_code == 0
    assert user.totp_secret is None
    assert "There is no account" in runner.invoke(args=["user", "reset-password", "x@y.example"]).output


def _trigger_names():
    rows = db.session.execute(
        text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_event'")
    )
    return rows.scalars().all()


def test_clinics_named_on_the_command_line_are_audited(runner):
    runner.invoke(args=["user", "create", "--email", "a@x.example", "--role", "clinician", "--clinic", "Dale"])
    actions = db.session.scalars(db.select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert actions == ["clinic.create", "user.create", "password.issue_link"]
    assert db.session.scalar(db.select(Clinic.name)) == "Dale"
