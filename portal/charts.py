"""Geometry of the charts; the templates draw them as SVG. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta

WIDTH, HEIGHT = 720, 200
MAX_DAILY_BARS = 62


@dataclass(frozen=True)
class Bar:
    label: str  # the day, or the first day of the week or month, in ISO 8601
    value: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class BarChart:
    bars: list[Bar]
    top: int  # value at the upper edge
    unit: str  # "day", "week" or "month"
    width: int = WIDTH
    height: int = HEIGHT


def chart_by_time(counts):
    """Bars for {ISO date: count}, without gaps from the first day to the last; None when there is nothing to draw.

    Days become weeks, then months, when they would be too narrow to tell apart.
    """
    if not counts:
        return None
    days = {date.fromisoformat(day): count for day, count in counts.items()}
    first, last = min(days), max(days)
    span_days = (last - first).days + 1
    unit = "day" if span_days <= MAX_DAILY_BARS else "week" if span_days <= 7 * MAX_DAILY_BARS else "month"
    slots = dict.fromkeys(_slots(first, last, unit), 0)
    for day, count in days.items():
        slots[_slot_of(day, unit)] += count
    top = _round_up(max(slots.values()))
    step = WIDTH / len(slots)
    width = max(min(step * 0.75, 48), 2)
    bars = [
        Bar(
            label=slot.isoformat(),
            value=count,
            x=round(step * index + (step - width) / 2, 2),
            y=round(HEIGHT - HEIGHT * count / top, 2),
            width=round(width, 2),
            height=round(HEIGHT * count / top, 2),
        )
        for index, (slot, count) in enumerate(slots.items())
    ]
    return BarChart(bars=bars, top=top, unit=unit)


def _slot_of(day, unit):
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[unit]


def _slots(first, last, unit):
    slot = _slot_of(first, unit)
    while slot <= last:
        yield slot
        length = {"day": 1, "week": 7, "month": 32}[unit]
        slot = _slot_of(slot + timedelta(days=length), unit)


def _round_up(value):
    """The next of 1, 2, 5, 10, 20, 50, ... so that the axis has a round figure; at least 5."""
    scale = 1
    while True:
        for step in (5, 10, 20):
            if value <= step * scale:
                return step * scale
        scale *= 10
