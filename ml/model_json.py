"""model.json: everything about the artefact but its weights, and the commands that made it."""

import hashlib
import json
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path

from ml.files import replacing

NAME = "model.json"
DECIDING = (
    "prior",
    "temperature",
    "logit_adjustment",
    "metadata_fusion",
    "thresholds",
    "conformal",
    "test_time_augmentation",
)
MEASURED = ("metrics", "views_compared")


def read(directory: Path) -> dict:
    """The settings of the artefact in `directory`."""
    return json.loads((directory / NAME).read_text())


def write(directory: Path, metadata: dict) -> None:
    """Replace the settings of the artefact in `directory`."""
    with replacing(directory / NAME) as part:
        part.write_text(json.dumps(metadata, indent=1) + "\n")


def manifest_hashes(manifests: Path) -> dict[str, str]:
    """SHA-256 of each part of the split in `manifests`, by the part's name."""
    summary = json.loads((manifests / "manifest.json").read_text())
    return {name: part["sha256"] for name, part in summary["parts"].items()}


def networks(metadata: dict) -> list[dict]:
    """Of each network that answers in the artefact: "training" settings, "first_weights", and the
    commands that it was "made_by"."""
    steps = [step for step in metadata["made_by"] if step["command"].split()[2] in ("ml.train", "ml.average")]
    only = {
        "training": metadata["training"],
        "first_weights": metadata["weights_provenance"].partition(";")[0],
        "made_by": steps,
    }
    return metadata.get("networks", [only])  # older artefacts hold one and do not list it


def recalibrated(metadata: dict, fitted: dict) -> dict:
    """The settings with `fitted` in place of what was fitted before.

    One version is one rule of deciding: at its first calibration an export keeps its name; where a
    later one decides otherwise, a digest of the new rule comes behind the name, and nobody has
    validated it. Figures measured under another rule are dropped.
    """
    digest = _rule(metadata | fitted)
    if digest == _rule(metadata):
        return metadata | fitted
    result = {name: value for name, value in metadata.items() if name not in MEASURED} | fitted
    if "calibration" in metadata:
        result["exported_as"] = metadata.get("exported_as", metadata["version"])
        result["version"] = f"{result['exported_as']}-{digest[:8]}"
        result |= {"is_validated": False, "evaluation_note": "recalibrated, not validated"}
        result["created_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    return result


def _rule(metadata: dict) -> str:
    """SHA-256 of all that turns the network's outputs into decisions."""
    rule = [metadata[name] for name in DECIDING] + [metadata["out_of_distribution"]["threshold"]]
    return hashlib.sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()


def add_step(metadata: dict, module: str, arguments: list[str], started: float) -> None:
    """Note a command that made the artefact, and how long it took.

    started: time.monotonic() at its start. A repeated command replaces its earlier note.
    """
    note_step(metadata, step(module, arguments, started))


def note_step(metadata: dict, made: dict) -> None:
    """The same of a `step` that was made before. A repeated command replaces its earlier note."""
    module = made["command"].split()[2]
    steps = [one for one in metadata.get("made_by", []) if one["command"].split()[2] != module]
    metadata["made_by"] = [*steps, made]


def step(module: str, arguments: list[str], started: float) -> dict:
    """A command and how long it took, in seconds; started: time.monotonic() at its start."""
    command = shlex.join(["python", "-m", module, *arguments])
    return {"command": command, "seconds": round(time.monotonic() - started)}
