"""Bars say what was counted: nothing lost, nothing outside the frame."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.charts import HEIGHT, WIDTH, chart_by_time

DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31)).map(date.isoformat)


@given(st.dictionaries(DAYS, st.integers(1, 10_000), min_size=1, max_size=40))
def test_every_count_is_in_one_bar_inside_the_frame(counts):
    chart = chart_by_time(counts)
    assert sum(bar.value for bar in chart.bars) == sum(counts.values())
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH + 0.1 for bar in chart.bars)
    assert all(bar.y >= 0 and bar.y + bar.height == pytest.approx(HEIGHT, abs=0.02) for bar in chart.bars)
    assert chart.top >= max(bar.value for bar in chart.bars)


def test_days_between_are_shown_empty():
    chart = chart_by_time({"2026-11-01": 3, "2026-11-04": 1})
    assert [(bar.label[-2:], bar.value) for bar in chart.bars] == [("01", 3), ("02", 0), ("03", 0), ("04", 1)]
    assert chart.top == 5


@pytest.mark.parametrize(("span_days", "unit"), [(61, "day"), (62, "week"), (433, "week"), (434, "month")])
def test_long_periods_get_wider_bars(span_days, unit):
    last = date(2026, 11, 23)
    chart = chart_by_time({(last - timedelta(span_days)).isoformat(): 1, last.isoformat(): 1})
    assert chart.unit == unit
    assert len(chart.bars) <= 63


def test_nothing_to_draw():
    assert chart_by_time({}) is None
