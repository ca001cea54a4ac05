"""Every route against everybody who might try it. A new route fails here until somebody decides who may use it."""

import uuid
from dataclasses import dataclass

import pytest

from portal.extensions import db
from portal.models import AuditEvent
from portal.services import accounts
from tests import factories

ANYBODY = ("anonymous", "health_worker", "clinician", "admin")
LOGGED_IN = ANYBODY[1:]
WORKER, CLINICIAN, ADMIN = ("health_worker",), ("clinician",), ("admin",)


@dataclass(frozen=True)
class Rule:
    """Who may use a route, and whether its row belongs to a clinic."""

    roles: tuple
    of_clinic: bool = False


ROUTES = {
    "account.end_other_sessions": Rule(LOGGED_IN),
    "account.end_session": Rule(LOGGED_IN),
    "account.language": Rule(ANYBODY),
    "account.password": Rule(LOGGED_IN),
    "account.remove_two_factor": Rule(LOGGED_IN),
    "account.show": Rule(LOGGED_IN),
    "account.two_factor": Rule(LOGGED_IN),
    "admin.activate_clinic": Rule(ADMIN),
    "admin.activate_user": Rule(ADMIN),
    "admin.audit": Rule(ADMIN),
    "admin.clinic": Rule(ADMIN),
    "admin.clinics": Rule(ADMIN),
    "admin.deactivate_clinic": Rule(ADMIN),
    "admin.deactivate_user": Rule(ADMIN),
    "admin.export": Rule(ADMIN),
    "admin.model": Rule(ADMIN),
    "admin.model_plot": Rule(ADMIN),
    "admin.new_clinic": Rule(ADMIN),
    "admin.new_user": Rule(ADMIN),
    "admin.reset_password": Rule(ADMIN),
    "admin.reset_two_factor": Rule(ADMIN),
    "admin.results": Rule(ADMIN),
    "admin.retry_case": Rule(ADMIN),
    "admin.system": Rule(ADMIN),
    "admin.user": Rule(ADMIN),
    "admin.users": Rule(ADMIN),
    "agreement.index": Rule(ADMIN),
    "agreement.mine": Rule(CLINICIAN),
    "auth.login": Rule(ANYBODY),
    "auth.logout": Rule(LOGGED_IN),
    "auth.reset": Rule(ANYBODY),
    "auth.two_factor": Rule(ANYBODY),
    "bootstrap.static": Rule(ANYBODY),
    "cases.index": Rule(WORKER),
    "cases.new": Rule(WORKER),
    "cases.news": Rule(WORKER),
    "cases.retry": Rule(WORKER, of_clinic=True),
    "cases.show": Rule(LOGGED_IN, of_clinic=True),
    "cases.status": Rule(LOGGED_IN, of_clinic=True),
    "cases.told": Rule(WORKER, of_clinic=True),
    "health.alive": Rule(ANYBODY),
    "health.ready": Rule(ANYBODY),
    "home.index": Rule(LOGGED_IN),
    "images.activation_map": Rule(LOGGED_IN, of_clinic=True),
    "images.show": Rule(LOGGED_IN, of_clinic=True),
    "images.thumbnail": Rule(LOGGED_IN, of_clinic=True),
    "leaflet.show": Rule(LOGGED_IN, of_clinic=True),
    "patients.correct": Rule(WORKER, of_clinic=True),
    "patients.index": Rule(LOGGED_IN),
    "patients.search": Rule(LOGGED_IN),
    "patients.show": Rule(LOGGED_IN, of_clinic=True),
    "queue.index": Rule(CLINICIAN),
    "queue.news": Rule(CLINICIAN),
    "queue.next": Rule(CLINICIAN),
    "reviews.create": Rule(CLINICIAN, of_clinic=True),
    "reviews.first_read": Rule(CLINICIAN, of_clinic=True),
    "reviews.release": Rule(CLINICIAN, of_clinic=True),
    "reviews.retake": Rule(CLINICIAN, of_clinic=True),
    "reviews.take": Rule(CLINICIAN, of_clinic=True),
    "static": Rule(ANYBODY),
}


def routes(app):
    """(endpoint, methods, rule) without HEAD and OPTIONS."""
    return [(rule.endpoint, sorted(rule.methods - {"HEAD", "OPTIONS"}), rule) for rule in app.url_map.iter_rules()]


def ask_all(app, client, address, **changed):
    """{(endpoint, method): response} of every route, logout last."""
    asked = sorted(routes(app), key=lambda route: route[0] == "auth.logout")
    return {
        (endpoint, method): client.open(address(rule, **changed), method=method)
        for endpoint, methods, rule in asked
        for method in methods
    }


# Here no Redis runs, and there is no file of the name asked for.
NOT_THERE = {"health.ready": 503, "bootstrap.static": 404, "admin.model_plot": 404}


def is_answered(endpoint, method, response):
    """As somebody who may use the route is: a page, or the way to one; an empty form may also be refused by a rule."""
    if method == "POST":
        return response.status_code in {200, 302, 303, 400, 409}
    if endpoint in NOT_THERE:
        return response.status_code == NOT_THERE[endpoint]
    return response.status_code == 200 or (response.status_code == 302 and not ROUTES[endpoint].of_clinic)


def is_sent_to_login(response):
    return response.status_code == 401 or (response.status_code == 302 and response.location.startswith("/login"))


def test_every_route_is_listed(app):
    assert {endpoint for endpoint, _methods, _rule in routes(app)} == set(ROUTES)


def test_anonymous_opens_nothing_of_the_portal(app, client, address):
    for (endpoint, method), response in ask_all(app, client, address).items():
        if "anonymous" in ROUTES[endpoint].roles:
            assert is_answered(endpoint, method, response), (endpoint, method, response.status)
        else:
            assert is_sent_to_login(response), (endpoint, method, response.status)


@pytest.mark.parametrize("role", LOGGED_IN)
def test_a_role_opens_its_own_pages_only(app, as_user, address, case, role):
    user = factories.make_user(role, clinic=None if role == "admin" else case.clinic)
    for (endpoint, method), response in ask_all(app, as_user(user), address).items():
        if role in ROUTES[endpoint].roles:
            assert is_answered(endpoint, method, response), (endpoint, method, response.status)
            if "anonymous" not in ROUTES[endpoint].roles:
                assert is_sent_to_login(response) == (endpoint == "auth.logout"), (endpoint, method)
        else:
            assert response.status_code == 403, (endpoint, method, response.status)


@pytest.mark.parametrize("role", ["health_worker", "clinician"])
def test_rows_of_another_clinic_do_not_exist(app, as_user, address, case, role):
    client = as_user(role)
    asked = 0
    for (endpoint, method), response in ask_all(app, client, address).items():
        if ROUTES[endpoint].of_clinic and role in ROUTES[endpoint].roles:
            assert response.status_code == 404, (endpoint, method, response.status)
            assert case.patient.reference not in response.text and case.patient.name not in response.text
            asked += 1
    assert asked >= 6
    denied = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "denied")).all()
    assert len([event for event in denied if event.details["status"] == 404]) >= asked
    assert {event.actor_id for event in denied} == {client.user.id}


@pytest.mark.parametrize("role", ["health_worker", "clinician"])
def test_lists_hold_no_row_of_another_clinic(as_user, case, role):
    client = as_user(role)
    pages = ["/patients", "/patients/search?q=" + case.patient.reference]
    pages += ["/cases?clinic=1", "/cases"] if role == "health_worker" else ["/queue?status=", "/queue?clinic=1"]
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200, page
        text = response.text.replace(f'value="{case.patient.reference}"', "")
        assert case.patient.reference not in text, page
        assert str(case.id) not in text, page


def test_a_deactivated_account_opens_nothing(app, as_user, address, case):
    client = as_user(factories.make_user("clinician", clinic=case.clinic))
    accounts.deactivate_user(user=client.user, actor=factories.make_user("admin"))
    for (endpoint, method), response in ask_all(app, client, address).items():
        if "anonymous" not in ROUTES[endpoint].roles:
            assert is_sent_to_login(response), (endpoint, method, response.status)


def test_a_clinic_taken_away_is_closed_at_once(as_user, case):
    other = factories.make_clinic()
    user = factories.make_user("clinician", clinics=[case.clinic, other])
    client = as_user(user)
    assert client.get(f"/cases/{case.id}").status_code == 200
    accounts.update_user(user=user, expected=user.details_mark, name=user.name, role=user.role, clinics=[other])
    assert client.get(f"/cases/{case.id}").status_code == 404


@pytest.mark.parametrize("guesses", [170, pytest.param(500, marks=pytest.mark.long)])
@pytest.mark.parametrize("role", LOGGED_IN)
def test_guessed_ids_lead_nowhere(app, as_user, address, role, guesses):
    client = as_user(role)
    rules = [
        rule
        for endpoint, methods, rule in routes(app)
        if ROUTES[endpoint].of_clinic and role in ROUTES[endpoint].roles and "GET" in methods
    ]
    for number in range(guesses):
        rule, guess = rules[number % len(rules)], uuid.uuid4()
        response = client.get(address(rule, case_id=guess, image_id=guess, patient_id=guess))
        assert response.status_code == 404


# Logging in and out change sessions only; one's own language, and a second factor that is shown and not yet
# confirmed, are nobody else's matter.
NOT_TRIED = {"auth.login", "auth.logout", "account.language", "account.two_factor"}

# What a form may say; a field that a form does not know is not looked at.
SAID = {
    "email": "else@example.org",
    "role": "clinician",
    "language": "es",
    "current_password": factories.PASSWORD,
    "password": "four quiet herons fly",
    "code": "000000",
    "first_read_required": "y",
}


def test_an_admin_changes_nothing_silently(app, as_user, address, case):
    failed = factories.make_case("failed")
    client, changing = as_user("admin"), set()
    for endpoint, methods, rule in routes(app):
        if "POST" not in methods or endpoint in NOT_TRIED:
            continue
        url = address(rule, case_id=failed.id)
        before, known = everything(), audited()
        client.post(url, data=SAID | {"name": f"Called {endpoint}", "clinics": [str(case.clinic_id)]})
        if everything() != before:
            changing.add(endpoint)
            assert audited() > known, f"{endpoint} changed rows and told nobody"
    assert changing >= {
        "admin.new_user",
        "admin.user",
        "admin.deactivate_user",
        "admin.activate_user",
        "admin.new_clinic",
        "admin.clinic",
        "admin.deactivate_clinic",
        "admin.activate_clinic",
        "admin.reset_password",
        "admin.retry_case",
    }


def everything():
    """Every row but the trail itself and who is logged in."""
    silent = {"audit_event", "login_session", "login_attempt"}
    with db.engine.connect() as connection:
        return {
            table.name: connection.execute(db.select(table).order_by(*table.primary_key)).all()
            for table in db.metadata.sorted_tables
            if table.name not in silent
        }


def audited():
    return db.session.scalar(db.select(db.func.count()).select_from(AuditEvent))


@pytest.mark.parametrize(
    "row_id", ["0", "1", "00000000-0000-0000-0000-000000000000", "..%2f..%2fetc", "%00", "a" * 500]
)
def test_odd_ids_are_not_found(as_user, row_id):
    client = as_user("clinician")
    for page in ("cases", "patients", "images"):
        assert client.get(f"/{page}/{row_id}").status_code == 404


def test_methods_that_no_route_has_are_refused(app, as_user, address):
    client = as_user("admin")
    for _endpoint, methods, rule in routes(app):
        for method in {"PUT", "DELETE", "PATCH", "GET", "POST"} - set(methods):
            assert client.open(address(rule), method=method).status_code == 405, (rule, method)
