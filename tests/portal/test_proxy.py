"""A visitor's address, as proxies of all kinds tell it."""

import pytest

from portal import configure_proxy
from portal.extensions import db
from portal.models import AuditEvent, LoginAttempt, LoginSession
from tests import factories

pytestmark = pytest.mark.databases


@pytest.mark.parametrize(
    ("told", "address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5555", "192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::9", "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ('"[2001:db8:1:2:a1b2:c3d4:e5f6:1234]:54321"', "2001:db8:1:2:a1b2:c3d4:e5f6:1234", "2001:db8:1:2::/64"),
        (
            "[2001:0db8:0001:0002:a1b2:c3d4:e5f6:1234]:54321",
            "2001:0db8:0001:0002:a1b2:c3d4:e5f6:1234",
            "2001:db8:1:2::/64",
        ),
        ("no address" * 9, ("no address" * 9)[:45], "unknown"),
    ],
)
def test_a_login_notes_the_address_without_its_port_and_never_fails_over_it(app, client, told, address, counted):
    app.config["PROXY_COUNT"] = 1
    configure_proxy(app)
    user = factories.make_user("clinician")
    for password in ("wrong", factories.PASSWORD):
        data = {"email": user.email, "password": password}
        answer = client.post("/login", data=data, headers={"X-Forwarded-For": told})
    assert answer.status_code == 302
    for column, found in (
        (AuditEvent.address, address),
        (LoginSession.address, address),
        (LoginAttempt.address, counted),
    ):
        assert set(db.session.scalars(db.select(column))) == {found}
