"""The sentences of the model card that depend on what was measured and how the model was made."""

import json
from dataclasses import asdict

from ml.card_tables import TARGETS, difference, figure, parts_table, percent
from ml.config import TrainConfig
from ml.labels import CLASSES

# Shown always; other settings of the training where they are not the default.
SETTINGS = (
    "init",
    "stages",
    "batch_size",
    "sampling",
    "focal_gamma",
    "peak_rate",
    "dropout",
    "average_momentum",
    "minutes",
)
DARK = ("tan", "brown", "dark")


def strangers_note(stopped: dict) -> str:
    """What the kinds of pictures are, as far as this artefact was tried on them."""
    note = "generated ones; example photographs of Python packages, whole and cropped"
    if "other pictures" in stopped:
        note += '; "other pictures" are those of the folder that `--others` named'
    return note


def settings_note(training: dict) -> str:
    """SETTINGS, and whatever else differs from ml.train's defaults."""
    usual = json.loads(json.dumps(asdict(TrainConfig())))  # with lists for tuples, as in model.json
    others = [
        name
        for name in usual
        if name not in (*SETTINGS, "class_counts") and training.get(name, usual[name]) != usual[name]
    ]
    return ", ".join(f"{name} {training[name]}" for name in (*SETTINGS, *others) if name in training)


def input_note(photograph: int, network: int) -> str:
    """What goes in: photographs of so many pixels a side, which the network may enlarge."""
    enlarged = "" if photograph == network else f" (enlarged to {network} x {network} by the network itself)"
    return f"{photograph} x {photograph} pixels in{enlarged}"


def networks_note(number: int) -> str:
    """What answers: one network, or the mean of several."""
    return "EfficientNetB3" if number == 1 else f"the mean of {number} EfficientNetB3 side by side, each"


def interval_note(metrics: dict) -> str:
    """Which intervals are of another kind; a report from before there were two says nothing of it."""
    if "intervals" not in metrics:
        return ""
    note = (
        ", by percentiles; for a calibration error, to which resampling adds, by reverse percentiles; "
        "for a share in which all lesions agree, which resampling cannot move, Wilson's on these lesions"
    )
    if "other figures that resampling cannot move" in metrics["intervals"]:
        note += ". Any other figure that resampling cannot move rests on too few and has none"
    return note


def counted(metrics: dict) -> str:
    """How many photographs, and of how many lesions where a table names these."""
    lesions = f" of {metrics['n_lesions']} lesions" if metrics["n_lesions"] else ""
    return f"{metrics['n']} photographs{lesions}"


def dark_skin_note(metrics: dict) -> str:
    """How many photographs show skin of the groups that the data hardly hold."""
    tones = metrics["slices"].get("skin_tone")
    if tones is None:
        return f"On none of {metrics['n']} test photographs could the tone of the skin be told."
    dark = ", ".join(f"{name} {tones[name]['n']}" for name in DARK if name in tones)
    return f"Of {metrics['n']} test photographs the following look darker than intermediate: {dark or 'none'}."


def risk_note(metrics: dict) -> str:
    """Whether the risks come true as often as they say; a report from before this was measured says nothing."""
    if "reliability" not in metrics["malignant"]:
        return ""
    return "".join(
        f" The mean {said} is {figure(metrics[name], 'mean_predicted')}, and {figure(metrics[name], 'share_true')} of"
        f" the photographs are {name}; in ten bins it is off by {figure(metrics[name], 'ece')} on average."
        for name, said in (("malignant", "malignancy risk"), ("melanoma", "p(mel)"))
    )


def ece_note(metrics: dict) -> str:
    """How far the calibration error can be trusted; a report from before this was measured tells of chance alone."""
    by_chance = figure(metrics, "ece_by_chance")
    note = (
        "A calibration error cannot be nothing: answers that are right exactly as often as they say would show "
        f"{by_chance} on as many photographs, by chance alone."
    )
    if "ece_percentiles" not in metrics:
        return note
    low, high = metrics["ece_percentiles"]
    top = (metrics["ece_interval"] or [None, None])[1]
    goal = next(goal for _, path, goal, _ in TARGETS if path == ("ece",))
    is_fair = top is not None and top <= goal
    state = f"at most {goal:g} is {'a fair verdict' if is_fair else 'a doubtful verdict'}"
    if is_fair and high is not None and high > goal:
        state += ", and no proof"
    return (
        f"{note} Resampling adds to the error what drawing had added before: its percentiles ({low:.3f} to {high:.3f}) "
        "lie too high. The reverse ones that are shown held a known error in about 9 of 10 simulated test sets, not "
        f"in 95 of 100. So {state}. Confidence is above accuracy by {difference(metrics, 'overconfidence')}, a figure "
        "that neither effect touches."
    )


def flagged_note(metrics: dict, passed: float) -> str:
    """The share of test photographs that are stopped, and whether it is what was meant to be."""
    place = metrics["out_of_distribution"]
    note = f"it flags {percent(place, 'flagged_share')} of the evaluation photographs"
    low, high = place.get("flagged_share_interval") or (None, None)
    if low is not None and not low <= 1 - passed <= high:
        note += f": the {100 - 100 * passed:g} % did not carry over"
    return note


def parts_note(training: dict, parts: dict | None) -> str:
    """The sizes of all parts of the split, or of the training part where the manifests are not at hand."""
    if parts:
        return parts_table(parts)
    counts = ", ".join(f"{name} {count}" for name, count in zip(CLASSES, training["class_counts"], strict=True))
    return f"Photographs to train on: {counts}."
