"""``make bench``: every figure is a ratio against a named alternative, measured in the same run on this machine."""

import os
import sys

from benchmarks import queue, serving, upload


def main():
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for benchmark in (queue, upload, serving):
        for line in benchmark.measure():
            print(line, flush=True)


if __name__ == "__main__":
    main()
