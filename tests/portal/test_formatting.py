from datetime import UTC, datetime, timedelta

import pytest
from flask_babel import force_locale

from config import TestingConfig
from ml.labels import CLASSES, SITES
from portal import create_app, formatting
from portal.database import utc_now
from portal.explanations import FAILURES, RETAKES
from portal.models import DISPOSITIONS, ROLES, STATUSES, TIERS


@pytest.fixture(autouse=True)
def english(app):
    with force_locale("en"):
        yield


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(minutes=60), "1 h"),
        (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(hours=24), "1 day"),
        (timedelta(days=27, hours=23), "27 days"),
    ],
)
def test_time_ago(ago, words):
    assert formatting.time_ago(utc_now() - ago) == words


def test_time_ago_becomes_a_date_after_four_weeks():
    assert formatting.time_ago(datetime(2025, 11, 3, tzinfo=UTC)) == "3 Nov 2025"


def test_local_time_names_its_zone():
    assert formatting.local_time(datetime(2026, 11, 3, 14, 5, tzinfo=UTC)) == "3 Nov 2026, 14:05 UTC"


def test_dates_are_those_of_the_place(environment):
    evening_in_utc = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
    there = create_app(TestingConfig({**environment, "TIME_ZONE": "Pacific/Auckland"}))
    with there.app_context(), force_locale("en"):
        assert formatting.local_date(evening_in_utc) == "24 Nov 2026"
        assert formatting.local_time(evening_in_utc).startswith("24 Nov 2026, 09:30 ")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0%"),
        (0.0004, "<\u00a01%"),
        (0.01, "1%"),
        (0.624, "62%"),
        (0.99, "99%"),
        (0.9999, ">\u00a099%"),
        (1, "100%"),
    ],
)
def test_percent_never_rounds_to_certainty(share, words):
    assert formatting.percent(share) == words


@pytest.mark.parametrize(("size", "words"), [(900, "1 KB"), (200 * 1024, "200 KB"), (2_411_724, "2.3 MB")])
def test_file_size(size, words):
    assert formatting.file_size(size) == words


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("curl/8.0", "curl/8.0"),
        (None, "Unknown device"),
    ],
)
def test_device_name(user_agent, name):
    assert formatting.device_name(user_agent) == name


@pytest.mark.parametrize(
    ("filter_", "codes"),
    [
        (formatting.class_name, CLASSES),
        (formatting.diagnosis_name, (*CLASSES, "other", "unclear")),
        (formatting.site_name, SITES),
        (formatting.tier_name, TIERS),
        (formatting.status_name, STATUSES),
        (formatting.disposition_name, DISPOSITIONS),
        (formatting.role_name, ROLES),
        (formatting.failure_text, FAILURES),
        (formatting.retake_text, RETAKES),
    ],
)
def test_every_code_has_a_name_of_its_own(filter_, codes):
    names = [filter_(code) for code in codes]
    assert len(set(names)) == len(codes)
    assert not set(names) & set(codes)


def test_what_is_not_known_is_a_dash():
    assert formatting.class_name(None) == formatting.site_name("") == formatting.skin_type(None) == "–"
    assert formatting.sex_name(None) == "Other or not said"


def test_an_unknown_reason_still_has_words():
    assert formatting.failure_text("new_code") == formatting.failure_text("model_error")
    assert formatting.retake_text(None) == formatting.retake_text("other")


def test_filters_are_known_to_templates(app):
    for function in formatting.FILTERS:
        assert app.jinja_env.filters[function.__name__] is function
