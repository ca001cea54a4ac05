"""Values no column can hold, in every field and address: refused in words, on both databases."""

import io
import uuid

import pyotp
import pytest

from portal.services import accounts, two_factor
from tests import factories
from tests.abuse.test_matrix import routes
from tests.hostile import SMALL_JPEG

pytestmark = pytest.mark.databases

FIELDS = ("reference", "name", "comment", "body_site", "body_view", "submission_key", "birth_year", "sex", "skin_type")
TOO_LARGE = 10**20


def test_nul_in_every_field(app, as_user):
    nurse = as_user("health_worker")

    def send(field, end):
        values = {"submission_key": uuid.uuid4().hex, "reference": "A", "body_site": "back", "consent": "y"}
        photo = {"dermoscopic": (io.BytesIO(SMALL_JPEG), "a.jpg")}
        data = values | {field: values.get(field, "") + end}
        return nurse.post("/cases/new", data=data | photo).status_code

    for field in FIELDS:
        assert send(field, "\0") == 400, field
    assert send("reference", "") == 303, "without the character it is taken"
    stranger = app.test_client()
    assert stranger.post("/login", data={"email": "a\0b@example.org", "password": "a\0b"}).status_code == 400


@pytest.mark.parametrize("role", ["health_worker", "clinician", "admin"])
@pytest.mark.parametrize("value", ["a%00b", str(TOO_LARGE), "-1", "1e9", "%f0%9f%98%80", "a" * 3000])
def test_odd_values_behind_the_question_mark(app, as_user, role, value):
    client = as_user(role)
    names = (
        "q",
        "status",
        "tier",
        "clinic",
        "role",
        "action",
        "actor",
        "from",
        "to",
        "page",
        "after",
        "before",
        "next",
    )
    query = "&".join(f"{name}={value}" for name in names)
    for _endpoint, methods, rule in routes(app):
        if "GET" in methods and not rule.arguments:
            assert client.get(f"{rule.rule}?{query}").status_code < 500 or rule.rule == "/readyz", rule.rule


def test_numbers_too_large_in_addresses(app, as_user):
    client = as_user("admin")
    for _endpoint, methods, rule in routes(app):
        numbers = {
            name: TOO_LARGE for name, kind in rule._converters.items() if type(kind).__name__ == "IntegerConverter"
        }
        if numbers:
            url = app.url_map.bind("localhost").build(rule.endpoint, numbers)
            for method in methods:
                assert client.open(url, method=method).status_code in {302, 400, 404}, (method, url)


@pytest.mark.parametrize(
    "code", ["12345é", "①②③④⑤⑥", "\U0001f9a0" * 6, "ß" * 40, "1\u0301" * 6, "-", "a\0b", "9" * 3000]
)
def test_codes_of_the_second_step_that_are_none(app, as_user, code):
    person = as_user("clinician")
    totp = pyotp.TOTP(two_factor.begin_two_factor(user=person.user))
    assert person.post("/account/two-factor", data={"code": code}).status_code == 400
    two_factor.confirm_two_factor(user=person.user, code=totp.now())
    pending = as_user(person.user)
    assert pending.post("/login/code", data={"code": code}).status_code == 400


@pytest.fixture
def forms(as_user):
    """Of each form: whoever sends it, its address, and what it needs to be taken."""
    clinic = factories.make_clinic()
    nurse, clinician, admin = (
        as_user("health_worker", clinic=clinic),
        as_user("clinician", clinic=clinic),
        as_user("admin"),
    )
    patient = factories.make_patient(clinic=clinic)
    case = factories.make_case("classified", lesion=factories.make_lesion(patient=patient))
    link = accounts.issue_reset_link(user=factories.make_user("clinician"))
    anybody = nurse.application.test_client()
    decision = {"expected_review_count": "0", "diagnosis": "nv", "agrees": "yes", "disposition": "monitor"}
    details = {"reference": "A", "name": "", "birth_year": "", "sex": "", "seen": patient.details_mark}
    more = {
        "comment": "",
        "submission_key": "k" * 32,
        "body_site": "back",
        "body_view": "",
        "map_x": "",
        "checklist": "",
    }
    return [
        (anybody, "/login", {"email": "a@x.example", "password": "a"}),
        (anybody, f"/reset/{link}", {"password": "four quiet herons fly"}),
        (nurse, "/cases/new", details | more | {"skin_type": "", "consent": "y", "is_worried": ""}),
        (nurse, f"/patients/{patient.id}/correct", details | {"skin_type": ""}),
        (clinician, f"/cases/{case.id}/reviews", decision | {"monitor_weeks": "4", "note": "", "is_unread": ""}),
        (clinician, f"/cases/{case.id}/first-read", {"diagnosis": "nv", "note": "", "monitor_weeks": ""}),
        (clinician, f"/cases/{case.id}/retake", {"reason": "blurred"}),
        (clinician, "/account/password", {"current_password": "a", "password": "four quiet herons fly"}),
        (clinician, "/account/two-factor", {"code": "1"}),
        (admin, "/admin/clinics/new", {"name": "Hill", "first_read_required": "y"}),
        (admin, "/admin/users/new", {"name": "Ann", "email": "ann@x.example", "role": "admin", "clinics": ""}),
        (admin, f"/admin/users/{clinician.user.id}", {"name": "Ann", "role": "admin", "clinics": "", "seen": ""}),
    ]


def test_a_file_in_a_field_of_text(forms):
    for sender, url, values in forms:
        for field in values:
            data = values | {field: (io.BytesIO(b"abc"), "a.txt")}
            assert sender.post(url, data=data).status_code == 400, (url, field)


JSON = [
    b"[1]",
    b'"text"',
    b"7",
    b"null",
    b"{",
    b"[" * 100_000 + b"]" * 100_000,
    b'{"email": 5, "password": {"a": 1}, "name": ["a"], "note": 5, "code": 5, "diagnosis": {}}',
    rb'{"email": "\ud800@x.example", "password": "\ud800", "name": "\ud800", "note": "\ud800", "code": "\ud800"}',
]


@pytest.mark.parametrize("body", JSON, ids=lambda body: body[:12].decode())
def test_json_is_no_form(forms, body):
    for sender, url, _values in forms:
        assert sender.post(url, data=body, content_type="application/json").status_code == 400, url


def test_not_even_json_that_says_what_the_form_would(forms):
    for sender, url, values in forms:
        assert sender.post(url, json=values).status_code == 400, url


@pytest.mark.parametrize("text", [b"\xed\xa0\x80", b"\xff\xfe", b"\xf4\x90\x80\x80"])
def test_bytes_that_are_no_text_in_every_field(forms, text):
    for sender, url, values in forms:
        for field in values:
            quoted = "".join(f"%{byte:02x}" for byte in text)
            answer = sender.post(f"{url}?{field}={quoted}", data={**values, field: text})
            assert answer.status_code < 500, (url, field)
            body = f"{field}={quoted}"
            answer = sender.post(url, data=body, content_type="application/x-www-form-urlencoded")
            assert answer.status_code < 500, (url, field)


def test_a_form_longer_than_any_is_refused_in_the_readers_words(app, client):
    client.set_cookie("language", "es")
    app.config["WTF_CSRF_ENABLED"] = True
    body = b"a&" * 200_000
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "application/json"):
        answer = client.post("/login", data=body, content_type=kind)
        assert answer.status_code == 413 and "10 MB" not in answer.text and 'lang="es"' in answer.text, kind


def test_a_photo_of_the_largest_size_is_not(as_user):
    nurse = as_user("health_worker")
    values = {"submission_key": uuid.uuid4().hex, "reference": "A", "body_site": "back", "consent": "y"}
    padded = SMALL_JPEG + bytes(10 * 2**20 - len(SMALL_JPEG))
    photos = {name: (io.BytesIO(padded), "a.jpg") for name in ("dermoscopic", "overview")}
    assert nurse.post("/cases/new", data=values | photos).status_code == 303
