"""Real `python -m ml.train` processes on the tiny data set, one of them killed on its way."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SIZE = 32
CLOCKED = {"seconds", "images_per_second"}
PHOTOGRAPH = 24  # enlarged by the network
# Two epochs of two steps each.
CONFIG = {
    "init": "random",
    "input_size": SIZE,
    "stages": [[0.0, SIZE]],
    "cache_size": PHOTOGRAPH,
    "batch_size": 8,
    "head_images": 0,
    "top_images": 0,
    "images": 32,
    "epoch_images": 16,
    "warmup_images": 8,
}


# TensorFlow takes half a minute to make a graph of a step, far longer than these few steps take without one.
COMMAND = ["-m", "ml.train"]
WITHOUT_GRAPH = """
import sys, tensorflow
tensorflow.config.run_functions_eagerly(True)
from ml import train
sys.exit(train.main())
"""


def start(run: Path, dataset: Path, manifests: Path, with_graph: bool = False) -> subprocess.Popen:
    """A training of two epochs, begun or resumed. One thread: sums over more depend on their timing."""
    run.mkdir(exist_ok=True)
    config = run / "asked.json"
    config.write_text(json.dumps(CONFIG))
    folders = ["--data", dataset, "--manifests", manifests, "--out", run, "--config", config]
    command = COMMAND if with_graph else ["-c", WITHOUT_GRAPH]
    command = [sys.executable, *command, *map(str, folders), "--threads", "1"]
    with (run / "train.log").open("a") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def kill_after_first_epoch(process: subprocess.Popen, run: Path) -> int:
    """SIGKILL it in its second epoch; returns the exit status."""
    while process.poll() is None:
        if (run / "history.csv").exists() and "\n1,whole," in (run / "history.csv").read_text():
            break
        time.sleep(0.02)
    process.kill()
    return process.wait()


def finish(process: subprocess.Popen, run: Path) -> None:
    try:
        status = process.wait()
    finally:
        process.kill()
    assert status == 0, (run / "train.log").read_text()


def read_state(run: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """(summary, arrays) of the state that a run resumes from."""
    with np.load(run / "state" / "epoch.npz") as state:
        arrays = {name: state[name] for name in state.files if name != "summary"}
        return json.loads(str(state["summary"])), arrays


def history(run: Path) -> list[dict]:
    """The history without what a clock measured."""
    rows = csv.DictReader((run / "history.csv").read_text().splitlines())
    return [{name: value for name, value in row.items() if name not in CLOCKED} for row in rows]
