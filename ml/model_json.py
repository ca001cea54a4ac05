"""model.json: everything about the artefact but its weights, and the commands that made it."""

import json
import shlex
import time
from pathlib import Path

NAME = "model.json"


def read(directory: Path) -> dict:
    """The settings of the artefact in `directory`."""
    return json.loads((directory / NAME).read_text())


def write(directory: Path, metadata: dict) -> None:
    """Replace the settings of the artefact in `directory`."""
    (directory / NAME).write_text(json.dumps(metadata, indent=1) + "\n")


def add_step(metadata: dict, module: str, arguments: list[str], started: float) -> None:
    """Note a command that made the artefact, and how long it took.

    started: time.monotonic() at its start. A repeated command replaces its earlier note.
    """
    steps = [one for one in metadata.get("made_by", []) if not one["command"].startswith(f"python -m {module} ")]
    metadata["made_by"] = [*steps, step(module, arguments, started)]


def step(module: str, arguments: list[str], started: float) -> dict:
    """A command and how long it took, in seconds; started: time.monotonic() at its start."""
    command = shlex.join(["python", "-m", module, *arguments])
    return {"command": command, "seconds": round(time.monotonic() - started)}
