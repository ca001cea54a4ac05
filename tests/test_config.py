import pytest

from config import ConfigurationError, TestingConfig


def test_the_zone_is_utc_until_one_is_named():
    assert TestingConfig({}).BABEL_DEFAULT_TIMEZONE == "UTC"
    assert TestingConfig({"TIME_ZONE": "Pacific/Auckland"}).BABEL_DEFAULT_TIMEZONE == "Pacific/Auckland"


def test_a_zone_that_does_not_exist_is_refused_at_the_start():
    with pytest.raises(ConfigurationError, match="TIME_ZONE is 'Auckland'; it must be a name like Pacific/Auckland"):
        TestingConfig({"TIME_ZONE": "Auckland"})
