import pytest

from config import ConfigurationError, DevelopmentConfig, TestingConfig


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


def test_an_empty_key_of_a_start_that_was_cut_short_is_made_anew(tmp_path):
    path = tmp_path / "secret-key"
    path.touch()
    key = DevelopmentConfig({"DATA_DIR": str(tmp_path)}).SECRET_KEY
    assert len(key) == 64 and path.stat().st_mode & 0o777 == 0o600
    assert key == DevelopmentConfig({"DATA_DIR": str(tmp_path)}).SECRET_KEY
