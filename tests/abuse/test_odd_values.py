"""Values no column can hold, in every field and address: refused in words, on both databases."""

import uuid

import pytest

from tests.abuse.test_matrix import routes

pytestmark = pytest.mark.databases

FIELDS = ("reference", "name", "comment", "body_site", "submission_key", "birth_year", "sex", "lesion")
TOO_LARGE = 10**20


def test_nul_in_every_field(app, as_user):
    nurse = as_user("health_worker")
    for field in FIELDS:
        data = {"submission_key": uuid.uuid4().hex, "reference": "A", "body_site": "back", "consent": "y"}
        assert nurse.post("/cases/new", data=data | {field: "a\0b"}).status_code == 400, field
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
