import pytest
from flask import url_for

from config import ConfigurationError, DevelopmentConfig, TestingConfig, carries_photos, whole_number


def test_the_zone_is_utc_until_one_is_named():
    assert TestingConfig({}).BABEL_DEFAULT_TIMEZONE == "UTC"
    assert TestingConfig({"TIME_ZONE": "Pacific/Auckland"}).BABEL_DEFAULT_TIMEZONE == "Pacific/Auckland"


def test_a_zone_that_does_not_exist_is_refused_at_the_start():
    with pytest.raises(ConfigurationError, match="TIME_ZONE is 'Auckland'; it must be a name like Pacific/Auckland"):
        TestingConfig({"TIME_ZONE": "Auckland"})


def test_a_list_may_have_spaces_and_a_number_must_be_one():
    config = TestingConfig({"TWO_FACTOR_ROLES": "clinician, admin", "TRUSTED_HOSTS": "a.example, b.example,"})
    assert config.TWO_FACTOR_ROLES == ("clinician", "admin")
    assert config.TRUSTED_HOSTS == ["a.example", "b.example"]
    with pytest.raises(ConfigurationError, match="PROXY_COUNT is 'one'; it must be a whole number"):
        TestingConfig({"PROXY_COUNT": "one"})


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("RETENTION_DAYS", 1, 36_500),
        ("LEASE_SECONDS", 1, 86_400),
        ("SWEEP_SECONDS", 1, 86_400),
        ("PROXY_COUNT", 0, 1_000),
        ("MODEL_THREADS", 1, 1_000),
    ],
)
def test_a_number_that_means_nothing_is_refused_at_the_start(name, least, most):
    for value in (least, most):
        assert getattr(TestingConfig({name: str(value)}), name) == value
    for value in (least - 1, -30, most + 1, 10**12, "two", "1.5"):
        words = f"{name} is '{value}'; it must be a whole number from {least} to {most}"
        with pytest.raises(ConfigurationError, match=words):
            TestingConfig({name: str(value)})


def test_an_empty_number_is_none_at_all():
    assert TestingConfig({"MODEL_THREADS": ""}).MODEL_THREADS == 2
    assert whole_number({"WEB_THREADS": ""}, "WEB_THREADS", 8, least=1) == 8


def test_only_a_new_case_carries_photos(app):
    form = "multipart/form-data; boundary=a"
    with app.test_request_context():
        assert carries_photos("POST", url_for("cases.new"), form)
    assert not carries_photos("GET", "/cases/new", form)
    assert not carries_photos("POST", "/login", form)
    assert not carries_photos("POST", "/cases/new", "application/x-www-form-urlencoded")


def test_records_are_kept_until_a_period_is_named():
    assert TestingConfig({}).RETENTION_DAYS is None and TestingConfig({"RETENTION_DAYS": ""}).RETENTION_DAYS is None


def test_an_empty_key_of_a_start_that_was_cut_short_is_made_anew(tmp_path):
    path = tmp_path / "secret-key"
    path.touch()
    key = DevelopmentConfig({"DATA_DIR": str(tmp_path)}).SECRET_KEY
    assert len(key) == 64 and path.stat().st_mode & 0o777 == 0o600
    assert key == DevelopmentConfig({"DATA_DIR": str(tmp_path)}).SECRET_KEY
