"""Train the classifier: python -m ml.train --data DIR --out DIR [--init ...].

Three phases: the dense layer fitted on frozen features; the top of the base at a small
rate; the whole network with a cosine rate, growing pictures and averaged weights. A run
that was stopped, at any moment, goes on from its last whole epoch.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

import numpy as np

from ml.config import ENGINES, TrainConfig
from ml.data import MANIFESTS, DatasetError, load_pixels, read_dataset, read_split
from ml.labels import CLASSES, INDEX

log = logging.getLogger("ml.train")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 with one message when data or settings cannot be used."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    _limit_threads(options.threads)
    try:
        train(options.data, options.out, TrainConfig.from_options(options), options.manifests)
    except (ValueError, ImportError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def train(data: Path, out: Path, config: TrainConfig, manifests: Path = MANIFESTS) -> None:
    """Train into `out`: config.json, best.weights.h5, history.csv, curves.png and state/.

    Raises DatasetError for unreadable images, for settings that do not go together, and for a run folder that
    began from other weights, draws otherwise (ml.config.FIXED) or cannot be resumed.
    """
    make_run = _run_by(config, out)
    records = read_dataset(data)
    parts = {name: read_split(records, name, manifests) for name in ("train", "validation")}
    labels = {name: np.array([INDEX[record.label] for record in part]) for name, part in parts.items()}
    for name, part in parts.items():
        counts = np.bincount(labels[name], minlength=len(CLASSES))
        log.info("%s: %d images %s", name, len(part), dict(zip(CLASSES, counts.tolist(), strict=True)))
    pixels = {
        "train": load_pixels(parts["train"], config.cached_size()),
        "validation": load_pixels(parts["validation"], config.photograph_size()),
    }
    make_run(out, config, pixels, labels).run()


def _run_by(config: TrainConfig, out: Path):
    if config.engine not in ENGINES:
        raise DatasetError(f'engine {config.engine!r} is not one of "keras" and "torch"')
    begun = (out / "config.json").exists() and TrainConfig.read(out).engine
    if begun and begun != config.engine:
        raise DatasetError(f'{out} holds a run by engine "{begun}": choose another --out')
    if config.engine == "torch":
        os.environ.setdefault("KERAS_BACKEND", "torch")
        try:
            from ml.torch_run import TorchRun
        except ImportError as error:
            raise ImportError(f'engine "torch" needs {error.name}: pip install -r requirements-gpu.txt') from error
        TorchRun.check(config)
        return TorchRun
    if config.teachers:
        raise DatasetError('only engine "torch" learns from teachers')
    from ml.fit import Run

    return Run


def _parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m ml.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of HAM10000")
    parser.add_argument("--out", type=Path, required=True, help="run folder; resumed if begun")
    parser.add_argument("--init", help="imagenet, warm, random or a weights file")
    parser.add_argument("--config", type=Path, help="JSON of TrainConfig fields")
    parser.add_argument("--seed", type=int, help="of all random numbers")
    parser.add_argument("--minutes", type=float, help="plan the schedule for this wall time")
    parser.add_argument("--manifests", type=Path, default=MANIFESTS)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    return parser.parse_args(arguments)


def _limit_threads(threads: int) -> None:
    if not threads:
        return
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, str(threads))


if __name__ == "__main__":
    sys.exit(main())
