"""The groups of photographs that figures are given for one by one."""

import numpy as np

from ml import skin_tone
from ml.observe import Observations

UNKNOWN = "unknown"
MOST_SIZES = 6  # of photographs, in pixels; where there are more, groups by the short side
SHORT_SIDES = (150, 300, 600, 1200)  # where the next group begins


def slices_of(records, seen: Observations) -> dict[str, np.ndarray]:
    """(N,) group names for every way of cutting the data up of which something is known."""
    slices = {
        "age": [_age_band(record.age) for record in records],
        "sex": [record.sex or UNKNOWN for record in records],
        "site": [record.site or UNKNOWN for record in records],
        "source": [record.source or UNKNOWN for record in records],
        "reference": [record.dx_type or UNKNOWN for record in records],
        "image_size": _size_groups(seen.sizes),
        "skin_tone": [skin_tone.group(angle) for angle in seen.skin_angles],
    }
    return {kind: np.array(groups) for kind, groups in slices.items() if set(groups) != {UNKNOWN}}


def _age_band(age: float | None) -> str:
    if age is None or not np.isfinite(age):
        return UNKNOWN
    return "under 30" if age < 30 else "30-49" if age < 50 else "50-69" if age < 70 else "70 and over"


def _size_groups(sizes: list[tuple[int, int]]) -> list[str]:
    if len(set(sizes)) <= MOST_SIZES:
        return [f"{width}x{height}" for width, height in sizes]
    bounds = zip(SHORT_SIDES, SHORT_SIDES[1:], strict=False)
    spans = [f"under {SHORT_SIDES[0]}", *(f"{low}-{high - 1}" for low, high in bounds), f"{SHORT_SIDES[-1]} and over"]
    return [f"short side {spans[np.searchsorted(SHORT_SIDES, min(size), side='right')]}" for size in sizes]
