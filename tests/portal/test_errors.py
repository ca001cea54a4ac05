"""An error page says what happened, and names a number only where somebody with the log can find it."""

import re

import pytest
from sqlalchemy.exc import OperationalError

REFERENCE = re.compile(r"Reference (\w+), error (\d+)")


@pytest.mark.parametrize(
    ("exception", "code"),
    [(RuntimeError("boom"), 500), (OperationalError("", {}, Exception()), 503), (OverflowError(), 400)],
)
def test_the_number_of_a_failure_is_in_the_log(app, client, caplog, exception, code):
    def fail():
        raise exception

    app.view_functions["health.alive"] = fail
    page = client.get("/healthz")
    reference, shown = REFERENCE.search(page.text).groups()
    assert page.status_code == int(shown) == code
    assert f"error {reference} in health.alive" in caplog.text


def test_a_refusal_has_no_number_to_look_for(app, client, as_user, caplog):
    app.config["WTF_CSRF_ENABLED"] = True
    refused = {
        400: client.post("/login", data={"email": "a@x.example"}),
        404: client.get("/nothing"),
        405: client.post("/healthz"),
    }
    app.config["WTF_CSRF_ENABLED"] = False
    refused[403] = as_user("health_worker").get("/queue")
    for code, page in refused.items():
        assert page.status_code == code
        assert f"Error {code}" in page.text and not REFERENCE.search(page.text)
    assert not caplog.text
