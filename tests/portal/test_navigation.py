import pytest

from portal.models import ROLES
from portal.navigation import PLACES


def test_every_place_is_a_page(app):
    for place in (place for places in PLACES.values() for place in places):
        assert "GET" in {method for rule in app.url_map.iter_rules(place.endpoint) for method in rule.methods}


@pytest.mark.parametrize("role", ROLES)
def test_the_bar_shows_the_places_of_the_role_and_where_one_is(as_user, role):
    page = as_user(role).get("/", follow_redirects=True).text
    for place in PLACES[role]:
        assert f"<span>{place.label}</span>" in page
    assert page.count('aria-current="page"') >= 2  # the bar at the top and the one at the bottom


def test_only_a_health_worker_is_offered_a_new_case(as_user):
    assert "/cases/new" in as_user("health_worker").get("/cases").text
    assert "/cases/new" not in as_user("clinician").get("/queue").text


def test_a_visitor_sees_no_places(client):
    page = client.get("/login").text
    assert "bottom-bar" not in page and "top-bar-places" not in page
