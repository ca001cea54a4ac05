"""Average the weights of networks that began from the same ones: python -m ml.average --out DIR FILE...

Networks that were trained on from one another lie in one valley of the loss, and the mean of their
weights often does better than any of them, at the cost of one (M. Wortsman et al., "Model soups",
2022). A FILE is a run's best.weights.h5, or its state/epoch.npz for the averaged weights of its last
epoch. DIR becomes a run folder that `ml.export` takes.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from ml import model_json
from ml.config import TrainConfig
from ml.fit import read_state
from ml.model import build_model
from ml.provenance import STEPS, training_steps


def average(paths: list[Path], out: Path) -> list[dict]:
    """Write the mean of all `paths` to `out`/best.weights.h5 and the config of the last one's run
    beside it; returns the steps of every run that has a part in it.

    Raises ValueError where two of them are not the same network, or learnt from other shares of the
    classes: what is fitted to the logits later rests on these.
    """
    runs = list(dict.fromkeys(path.parent.parent if path.suffix == ".npz" else path.parent for path in paths))
    configs = [TrainConfig.read(run) for run in runs]
    if len({tuple(config.class_prior().round(6)) for config in configs}) > 1:
        raise ValueError("these runs drew the classes in different shares")
    config = configs[-1]
    every = [_read_weights(path, config) for path in paths]
    if len({tuple(value.shape for value in weights) for weights in every}) > 1:
        raise ValueError("these are weights of different networks")
    model = build_model(config.input_size, config.dropout)
    # Summed in float64: the mean of equal weights is then those weights.
    model.set_weights([np.mean(values, axis=0, dtype=np.float64) for values in zip(*every, strict=True)])
    out.mkdir(parents=True, exist_ok=True)
    model.save_weights(out / "best.weights.h5")
    shutil.copyfile(runs[-1] / "config.json", out / "config.json")
    steps = [step for run in runs for step in training_steps(run)]
    return [step for number, step in enumerate(steps) if step not in steps[:number]]


def _read_weights(path: Path, config: TrainConfig) -> list[np.ndarray]:
    if path.suffix == ".npz":
        state = read_state(path)
        return state["averaged"] or state["weight"]
    return build_model(config.input_size, config.dropout, path).get_weights()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.average", description=__doc__.split("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        steps = average(options.files, options.out)
    except (OSError, ValueError) as error:
        print(f"cannot average: {error}", file=sys.stderr)
        return 1
    steps.append(model_json.step("ml.average", arguments or sys.argv[1:], started))
    (options.out / STEPS).write_text(json.dumps(steps, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
