"""Values no column can hold, in every field and address: refused in words, on both databases."""

import io
import uuid

import pyotp
import pytest

from portal.services import two_factor
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
