"""Intervals of shares, and what an interval without width is replaced by."""

import math


def wilson_interval(count: float, n: int) -> tuple[float, float]:
    """The 95 % interval (low, high), 0..1, of a share count / n; (0, 1) where nothing was counted.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927).
    """
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    share = count / n
    centre = share + z**2 / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = ((centre + sign * spread) / (1 + z**2 / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def with_width(bound: tuple[float, float], share: float, lesions: int | None) -> tuple[float, float] | None:
    """A bootstrap interval; where it has no width, Wilson's on the lesions counted, and None for what is no share.

    Resampling what always agrees gives one and the same figure, however few there are: 1.000 to
    1.000 for two photographs of one lesion. lesions: None for a figure that is no share of them.
    """
    low, high = bound
    if high - low > 1e-9:
        return bound
    if lesions is None or math.isnan(low):  # nan, where nothing was counted
        return None
    return wilson_interval(share * lesions, lesions)
