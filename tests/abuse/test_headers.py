"""Every answer carries the headers: pages, files, redirects, downloads and errors of all kinds."""

import pytest

from config import ProductionConfig
from portal import create_app
from portal.extensions import db
from portal.security import HEADERS
from tests import factories
from tests.abuse.test_matrix import ask_all

ADDRESSES = (
    "/login",
    "/",
    "/healthz",
    "/readyz",
    "/nothing/here",
    "/cases/1",
    "/static/css/portal.css",
    "/static/nothing.css",
    "/static/..%2f..%2fconfig.py",
    "/bootstrap/static/css/bootstrap.min.css",
    "/account",
)


def check(response):
    missing = [name for name in HEADERS if name not in response.headers]
    assert not missing, f"{response.request.path} lacks {missing}"
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("address", ADDRESSES)
def test_headers_for_a_visitor(client, address):
    check(client.get(address))


@pytest.mark.parametrize(
    "address", ["/account", "/queue", "/admin/users", "/cases/00000000-0000-0000-0000-000000000000"]
)
def test_headers_for_somebody_logged_in(as_user, address):
    response = as_user("clinician").get(address)
    check(response)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("role", [None, "health_worker", "clinician", "admin"])
def test_headers_of_every_route(app, client, as_user, address, role):
    asked = ask_all(app, as_user(role) if role else client, address)
    assert len(asked) >= len(list(app.url_map.iter_rules()))
    for response in asked.values():
        check(response)


def test_headers_of_errors(app, client):
    check(client.post("/healthz"))
    check(client.post("/login", data={"email": "a" * 400_000}))

    def boom():
        raise RuntimeError("boom")

    app.view_functions["health.alive"] = boom
    response = client.get("/healthz")
    assert response.status_code == 500
    check(response)


def test_a_photo_may_do_nothing_but_be_seen(as_user):
    case = factories.make_case("classified")
    client = as_user(factories.make_user("clinician", clinic=case.clinic))
    for address in (f"/images/{case.dermoscopic_image.id}", f"/images/{case.dermoscopic_image.id}/thumbnail"):
        response = client.get(address)
        assert response.status_code == 200
        check(response)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert "no-store" in response.headers["Cache-Control"]
        assert response.mimetype == "image/jpeg"


def test_pages_are_kept_by_nobody_and_files_may_be(client):
    assert client.get("/login").headers["Cache-Control"] == "no-store"
    file = client.get("/static/css/portal.css")
    assert "no-store" not in file.headers["Cache-Control"] and file.headers["ETag"]
    assert client.get("/static/nothing.css").headers["Cache-Control"] == "no-store"


@pytest.fixture
def production(environment):
    environment |= {"SECRET_KEY": "k" * 40, "TRUSTED_HOSTS": "portal.example", "PORTAL_ENV": "production"}
    config = ProductionConfig(environment)
    config.WTF_CSRF_ENABLED = False
    app = create_app(config)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_production_cookie_and_transport(production):
    user = factories.make_user("admin")
    email = user.email
    client = production.test_client()
    data = {"email": email, "password": factories.PASSWORD}
    response = client.post("/login", data=data, base_url="https://portal.example")
    assert response.status_code == 302
    check(response)
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    (cookie,) = response.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie and "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    assert "Domain" not in cookie
    language = client.post("/account/language", data={"language": "es"}, base_url="https://portal.example")
    assert "Secure" in next(value for value in language.headers.getlist("Set-Cookie") if value.startswith("language="))


def test_a_host_nobody_trusts_is_refused(production):
    response = production.test_client().get("/login", base_url="https://evil.example")
    assert response.status_code == 400
    assert "evil.example" not in response.text
    check(response)
