"""Two ways of doing one thing, timed alternately so that a busy machine is unfair to both."""

import statistics
import time


def compare(name, ours, alternative, *, alternative_name, rounds=15):
    """One line: the median of ours, the median of the alternative, and the ratio; the first round warms up."""
    times = {ours: [], alternative: []}
    for number in range(rounds + 1):
        for function, measured in times.items():
            start = time.perf_counter()
            function()
            if number:
                measured.append(1000 * (time.perf_counter() - start))
    return report(name, times[ours], times[alternative], alternative_name)


def report(name, ours, alternative, alternative_name):
    """The line for two lists of milliseconds."""
    one, other = statistics.median(ours), statistics.median(alternative)
    return f"{name}: {one:.1f} ms; {alternative_name}: {other:.1f} ms; {other / one:.1f} times as long"
