"""What the model card compares: answers with facts about the patient and without, and this model with others."""

from ml.card_tables import at, difference, figure, table

# (column, path in the figures, whether more is better)
FACT_FIGURES = (
    ("accuracy", ("accuracy",), True),
    ("balanced accuracy", ("balanced_accuracy",), True),
    ("macro AUC", ("macro_auc",), True),
    ("melanoma AUC", ("melanoma", "auc"), True),
    ("melanoma recall", ("melanoma", "recall_balanced"), True),
    ("malignant AUC", ("malignant", "auc"), True),
    ("sensitivity", ("malignant", "sensitivity"), True),
    ("specificity", ("malignant", "specificity"), True),
    ("log loss", ("log_loss",), False),
    ("ECE", ("ece",), False),
)
NOTABLE = 0.005  # a difference that is worth a word

# As published: accuracy, mean recall, melanoma recall, the lowest AUC of a class.
PAPER = {"accuracy": "> 0.70", "melanoma recall": "0.74", "lowest class AUC": "> 0.90"}
PEER = {"accuracy": "0.825", "mean recall": "0.723", "melanoma recall": "0.579"}
BEST_ENTRY = {"mean recall": "0.856"}


def facts_table(metrics: dict) -> str:
    """One row a subset of facts, and what all of them change, where that was measured."""
    rows = [
        [known, *(figure(*at(own, path)) for _, path, _ in FACT_FIGURES)] for known, own in metrics["metadata"].items()
    ]
    changed = list(metrics.get("metadata_differences", {}).values())
    if changed:
        rows.append(["**all minus none**", *(difference(*at(changed[-1], path)) for _, path, _ in FACT_FIGURES)])
    return table(["facts told", *(column for column, _, _ in FACT_FIGURES)], rows)


def facts_note(metrics: dict) -> str:
    """What the facts are worth and what they cost; a report from before this was measured says nothing."""
    if "metadata_differences" not in metrics:
        return ""
    none, changed = metrics["metadata"]["none"], list(metrics["metadata_differences"].values())[-1]
    better, worse, lower = [], [], []
    for column, path, larger in FACT_FIGURES:
        place, name = at(changed, path)
        told = f"{column} {difference(place, name)}"
        low, high = sorted(x if larger else -x for x in place[f"{name}_interval"] or (-1, 1))
        if low > 0:
            better.append(told)
        elif high < 0:
            worse.append(told)
        elif place[name] is not None and (place[name] if larger else -place[name]) < -NOTABLE:
            lower.append(told)
    return (
        f"Without facts the balanced accuracy is {figure(none, 'balanced_accuracy')} and the melanoma recall "
        f"{figure(none['melanoma'], 'recall_balanced')}. All facts against none, on the same photographs. Better "
        f"beyond chance: {'; '.join(better) or 'nothing'}. Worse beyond chance: {'; '.join(worse) or 'nothing'}. "
        f"Worse, though chance may do as much: {'; '.join(lower) or 'nothing'}. Nothing else is shown to change."
    )


def others_table(metrics: dict) -> str:
    """This model by each decision, and what others have published, each of its own test set."""
    auc = figure(_lowest_auc(metrics)[1], "auc")
    rows = [
        ["the paper this project descends from", PAPER],
        ["sklesion (PyPI), on ISIC 2018 Task 3's test", PEER],
        ["best public-data entry of the ISIC 2018 challenge", BEST_ENTRY],
        *(
            [f"**this model, {decision}**", {name: figure(*place) for name, place in own.items()} | {_AUC: auc}]
            for decision, own in _decisions(metrics).items()
        ),
    ]
    columns = ("accuracy", "mean recall", "melanoma recall", _AUC)
    return table(["", *columns], [[name, *(own.get(column, "–") for column in columns)] for name, own in rows])


def others_note(metrics: dict) -> str:
    """In words, which of the published figures each decision is above."""
    lowest, own = _lowest_auc(metrics)
    is_above = own["auc"] is not None and own["auc"] > 0.9
    of_paper = ", ".join(
        f"melanoma recall by the {decision} {_against(*own['melanoma recall'], PAPER['melanoma recall'])}"
        for decision, own in _decisions(metrics).items()
    )
    of_peer = "; ".join(
        f"by the {decision} " + ", ".join(f"{name} {_against(*own[name], PEER[name])}" for name in PEER)
        for decision, own in _decisions(metrics).items()
    )
    return (
        f"Against the paper: accuracy {_against(metrics, 'accuracy', PAPER['accuracy'])}, AUC "
        f"{'' if is_above else 'not '}above 0.90 in every class (lowest: {lowest}), {of_paper}. "
        f"Against sklesion: {of_peer}. Each was measured on photographs of its own, sklesion by the most probable "
        "class as far as is told: a hint, no proof."
    )


_AUC = "lowest class AUC"


def _decisions(metrics: dict) -> dict[str, dict]:
    """Where a report holds the figures of each decision, by the names of `others_table`."""
    melanoma, leaning = metrics["per_class"]["mel"], metrics.get("leaning")
    decisions = {
        "predicted class": {
            "accuracy": (metrics, "accuracy"),
            "mean recall": (metrics["plain"], "balanced_accuracy"),
            "melanoma recall": (melanoma, "sensitivity_plain"),
        },
        "balanced decision": {
            "accuracy": (metrics.get("balanced", {}), "accuracy"),
            "mean recall": (metrics, "balanced_accuracy"),
            "melanoma recall": (melanoma, "sensitivity"),
        },
    }
    if leaning:  # an older report does not tell
        decisions["melanoma-leaning decision"] = {
            "accuracy": (leaning, "accuracy"),
            "mean recall": (leaning, "balanced_accuracy"),
            "melanoma recall": (leaning["mel"], "sensitivity"),
        }
    return decisions


def _lowest_auc(metrics: dict) -> tuple[str, dict]:
    """The class that is told from the rest worst, and its figures; any class where none has an AUC."""
    return min(metrics["per_class"].items(), key=lambda one: 1 if one[1]["auc"] is None else one[1]["auc"])


def _against(place: dict, name: str, published: str) -> str:
    value, other = place.get(name), float(published.lstrip("> "))
    if value is None:
        return "not measured"
    low, high = place.get(f"{name}_interval") or (None, None)
    within = " (within the interval)" if low is not None and low <= other <= high else ""
    return f"{value:.3f} {'above' if value > other else 'not above'} {published.lstrip('> ')}{within}"
