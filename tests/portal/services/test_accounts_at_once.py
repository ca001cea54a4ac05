"""What two people do to accounts in one moment, each before the other is done."""

import contextlib
import threading
import time

import pyotp
import pytest

from portal.database import begin_write, utc_now
from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.models import Clinic, LoginAttempt, LoginSession, User
from portal.services import accounts, attempts, audit, clinics, logins, two_factor
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.databases
NEW_PASSWORD = "four quiet herons fly"
HERE = "192.0.2.1"


@pytest.fixture
def at_once(app):
    """``at_once(act, argument, …)``: what the act gave or refused in each thread, all of them started together."""

    def run_all(act, *arguments):
        db.session.rollback()
        outcomes, start = [], threading.Barrier(len(arguments))

        def run(argument):
            with app.app_context():
                db.session.connection()  # else the first thread is done before the others are connected
                start.wait()
                try:
                    outcomes.append(act(argument))
                except DomainError as refusal:
                    outcomes.append(type(refusal))

        threads = [threading.Thread(target=run, args=[argument]) for argument in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == len(arguments), "an error ended a thread"
        return outcomes

    return run_all


@pytest.fixture
def meeting(monkeypatch):
    """Whoever is about to write down what they did waits a moment for somebody else to come as far."""
    record, meet = audit.record, threading.Barrier(2)

    def wait_and_record(**event):
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait(timeout=1)
        record(**event)

    monkeypatch.setattr(audit, "record", wait_and_record)


def close(pair):
    admin, other = (db.session.get(User, user_id) for user_id in pair)
    accounts.deactivate_user(user=other, actor=admin)


def demote(pair):
    _admin, other = (db.session.get(User, user_id) for user_id in pair)
    said = {"name": "Other", "role": "clinician", "clinics": [db.session.scalar(db.select(Clinic))]}
    accounts.update_user(user=other, expected=other.details_mark, **said)


@pytest.mark.parametrize("act", [close, demote])
def test_two_administrators_who_turn_on_each_other_leave_one(app, at_once, meeting, act):
    factories.make_clinic()
    one, other = factories.make_user("admin").id, factories.make_user("admin").id
    outcomes = at_once(act, (one, other), (other, one))
    assert sorted(outcomes, key=str) == [Conflict, None]
    left = db.session.scalars(db.select(User.id).where(User.role == "admin", User.is_active)).all()
    assert len(left) == 1


@pytest.fixture
def user(app):
    return factories.make_user("clinician")


def run_it(act):
    return act()


def code_of(user, **step):
    return pyotp.TOTP(two_factor.begin_two_factor(user=user)).at(utc_now(), **step)


def change_password(user_id, password=NEW_PASSWORD):
    user = db.session.get(User, user_id)
    accounts.change_password(user=user, current_password=PASSWORD, password=password, address=HERE)


def test_a_code_sent_twice_sets_the_second_step_up_once(user, at_once, meeting):
    user_id, code = user.id, code_of(user)

    def confirm(code):
        return bool(two_factor.confirm_two_factor(user=db.session.get(User, user_id), code=code))

    assert sorted(at_once(confirm, code, code), key=str) == [DomainError, True]


def test_a_page_opened_twice_shows_one_secret(user, at_once, monkeypatch):
    make, begun, is_done = pyotp.random_base32, [], threading.Event()

    def make_slowly():
        begun.append(True)
        if len(begun) == 1:
            is_done.wait(timeout=1)
        return make()

    def begin(user_id):
        secret = two_factor.begin_two_factor(user=db.session.get(User, user_id))
        is_done.set()
        return secret

    monkeypatch.setattr(two_factor.pyotp, "random_base32", make_slowly)
    user_id = user.id
    one, other = at_once(begin, user_id, user_id)
    assert one == other


def test_a_login_with_the_old_password_does_not_outlive_the_new_one(user, at_once, meeting):
    user_id, email = user.id, user.email

    def log_in():
        logins.log_in(email=email, password=PASSWORD, address=HERE, user_agent="Test")

    at_once(run_it, log_in, lambda: change_password(user_id))
    assert db.session.scalar(db.select(db.func.count()).where(LoginSession.ended_at.is_(None))) == 0


def test_one_password_is_proof_for_one_new_one(user, at_once, meeting):
    user_id = user.id
    outcomes = at_once(lambda new: change_password(user_id, new), NEW_PASSWORD, f"{NEW_PASSWORD} again")
    assert sorted(outcomes, key=str) == [DomainError, None]


def test_of_two_who_change_one_persons_clinics_the_second_looks_again(user, at_once, meeting):
    user_id, seen = user.id, user.details_mark
    new_ids = [factories.make_clinic().id for _number in range(2)]

    def move(clinic_id):
        said = {"name": "Ann", "role": "clinician", "clinics": [db.session.get(Clinic, clinic_id)]}
        accounts.update_user(user=db.session.get(User, user_id), expected=seen, **said)

    assert sorted(at_once(move, *new_ids), key=str) == [Conflict, None]


def add_user(_number):
    accounts.create_user(email="ann@x.example", name="Ann", role="admin", clinics=[])


def add_clinic(_number):
    clinics.create_clinic(name="Hill")


@pytest.mark.parametrize("add", [add_user, add_clinic])
def test_what_is_made_twice_is_there_once(app, at_once, meeting, add):
    assert sorted(at_once(add, 1, 2), key=str) == [DomainError, None]


def test_two_who_make_the_same_clinics_with_an_account_never_wait_for_each_other(app, at_once, meeting):
    def add(names):
        account = {"email": f"{names[0]}@x.example", "name": "Ann", "role": "clinician"}
        accounts.create_user(**account, clinics=[], new_clinics=names)

    assert sorted(at_once(add, ["Dale", "Hill"], ["Hill", "Dale"]), key=str) == [DomainError, None]


@pytest.fixture
def crossing(monkeypatch):
    """A look that has locked the trail's end and a change that has locked an account go on only together."""
    record, seal, meet = audit.record, audit.seal, threading.Barrier(2)

    def wait():
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait(timeout=1)

    def wait_and_record(**event):
        if event["action"] != "patient.search":
            wait()
        record(**event)

    def wait_and_seal(event):
        if event.action == "patient.search":
            wait()
            time.sleep(0.2)  # until the change has come to where it waits for the trail
        return seal(event)

    monkeypatch.setattr(audit, "record", wait_and_record)
    monkeypatch.setattr(audit, "seal", wait_and_seal)


def enable(user):
    code = code_of(user)
    return lambda user: two_factor.confirm_two_factor(user=user, code=code)


def pass_second_step(user):
    two_factor.confirm_two_factor(user=user, code=code_of(user))
    pending = logins.log_in(email=user.email, password=PASSWORD, address=HERE, user_agent="Test").id
    code = pyotp.TOTP(user.totp_secret).at(utc_now(), counter_offset=1)

    def act(_user):
        logins.pass_second_step(login_session=db.session.get(LoginSession, pending), code=code, address=HERE)

    return act


def use_link(user):
    token = accounts.issue_reset_link(user=user)
    return lambda _user: accounts.use_reset_link(token=token, password=NEW_PASSWORD, language="en")


def close_another_admin(user):
    other_id = factories.make_user("admin").id
    return lambda user: accounts.deactivate_user(user=db.session.get(User, other_id), actor=user)


def rename_the_clinic(_user):
    def act(_user):
        clinic = db.session.scalar(db.select(Clinic))
        clinics.update_clinic(clinic=clinic, expected=clinic.details_mark, name="Hill North", first_read_required=True)

    return act


def close_the_clinic(_user):
    return lambda _user: clinics.set_clinic_active(clinic=db.session.scalar(db.select(Clinic)), is_active=False)


@pytest.mark.parametrize(
    "prepare", [enable, pass_second_step, use_link, close_another_admin, rename_the_clinic, close_the_clinic]
)
def test_a_change_and_a_look_that_points_to_what_is_changed_do_not_wait_for_each_other(app, at_once, request, prepare):
    user, clinic_id = factories.make_user("admin"), factories.make_clinic().id
    act, user_id = prepare(user), user.id
    request.getfixturevalue("crossing")

    def look():
        user = db.session.get(User, user_id)
        begin_write(db.session)
        audit.record(action="patient.search", actor=user, clinic_id=clinic_id)
        db.session.commit()

    outcomes = at_once(run_it, look, lambda: act(db.session.get(User, user_id)))
    assert DomainError not in outcomes and Conflict not in outcomes


def test_codes_guessed_from_many_addresses_at_once_are_counted_together(app, at_once):
    def guess(address):
        return attempts.count_attempt(address=address, subject="code 1", subject_limit=2)

    outcomes = at_once(guess, *(f"192.0.2.{number}" for number in range(8)))
    assert outcomes.count(attempts.TooManyTries) == 6
    assert db.session.scalar(db.select(db.func.count()).select_from(LoginAttempt)) == 2


def test_guesses_that_share_address_or_account_never_wait_for_each_other_in_a_circle(app, at_once):
    def guess(number):
        address, subject = f"192.0.2.{number % 2}", f"code {number // 2 % 2}"
        return attempts.count_attempt(address=address, subject=subject, subject_limit=100)

    for _round in range(5):
        assert all(isinstance(outcome, int) for outcome in at_once(guess, *range(8)))
