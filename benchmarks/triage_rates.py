"""Which share of each class lands in which tier: how much the portal flags, and what it lets through.

    python -m benchmarks.triage_rates --data ../shared/ham10000 --split test --out docs/triage-rates.md

Every photo of the split is judged as the portal would judge it with nothing but the photo, age, sex
and site: nobody worried, no checklist answered, skin type not noted. "small" is left out, since the
copies of HAM10000 at hand are shrunk.
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from ml.classifier import ARTIFACT, Classifier
from ml.data import read_dataset, read_split
from ml.intervals import wilson_interval
from ml.labels import CLASSES, MALIGNANT, NAMES
from ml.observe import facts_of, observe_paths
from ml.preprocess import decode
from ml.runtime import Observation
from portal.models.case import TIERS
from portal.quality import measure_quality
from portal.triage import decide, operating_points


def judge_all(classifier, artifact, records, cache=None):
    """(label, Triage) of every ml.data.Record."""
    seen = observe_paths(artifact, [record.path for record in records], title="photos", cache=cache)
    said = zip(records, seen.logits, seen.features, seen.has_colour, strict=True)
    for record, logits, features, has_colour in said:
        observation = Observation(logits, features, activation_maps=None, has_colour=has_colour)
        yield record.label, judge(classifier, record, observation)


def judge(classifier, record, observation):
    """The Triage of one ml.data.Record, of which the network said `observation`."""
    quality = measure_quality(decode(record.path.read_bytes()))
    return decide(
        checklist_score=0,
        is_worried=False,
        prediction=classifier.judge(observation, facts_of(record)),
        quality_problems=[problem for problem in quality["problems"] if problem != "small"],
        typology_angle=quality["typology_angle"],
        thresholds=classifier.thresholds,
    )


def report(classifier, judged, split):
    """Markdown: the tiers of each class, and how often each reason was given; judged: (label, Triage) pairs."""
    by_class = defaultdict(list)
    for label, triage in judged:
        by_class[label].append(triage)
    melanoma, malignancy = operating_points(classifier.thresholds)
    groups = [(f"{NAMES[name]} ({name})", by_class[name]) for name in CLASSES if by_class[name]]
    groups += [
        ("all malignant", [triage for name in MALIGNANT for triage in by_class[name]]),
        ("all benign", [triage for name in set(CLASSES) - MALIGNANT for triage in by_class[name]]),
        ("all", [triage for _label, triage in judged]),
    ]
    yield "# Which share of each class lands in which tier\n"
    yield (
        f"Model {classifier.version}, {len(judged)} photos of the {split} split, by photo, age, sex and site alone. "
        f"Urgent from a melanoma probability of {melanoma:.3f}, soon from a malignancy risk of {malignancy:.3f}. "
        "In brackets: the 95 % interval (Wilson), a little narrow, as some spots are on several photos.\n"
    )
    yield f"| class | n | {' | '.join(TIERS)} |"
    yield "|---|--:|" + "--:|" * len(TIERS)
    for name, triages in groups:
        counts = Counter(triage.tier for triage in triages)
        yield f"| {name} | {len(triages)} | {' | '.join(share(counts[tier], len(triages)) for tier in TIERS)} |"
    yield "\n| reason | share of all photos |\n|---|--:|"
    reasons = Counter(code for _label, triage in judged for code in {reason.code for reason in triage.reasons})
    for code, count in reasons.most_common():
        yield f"| {code} | {share(count, len(judged))} |"


def share(count, n):
    low, high = wilson_interval(count, n)
    return f"{count / n:.1%} ({low:.0%} to {high:.0%})" if n else "–"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder ml.data can read")
    parser.add_argument("--split", default="test", help="a split of ml/manifests")
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where ml.evaluate kept the network's outputs")
    parser.add_argument("--out", type=Path, help="a Markdown page; printed where none is named")
    options = parser.parse_args()
    classifier = Classifier.load(options.artifact)
    records = read_split(read_dataset(options.data), options.split)
    judged = list(judge_all(classifier, options.artifact, records, options.cache))
    page = "\n".join(report(classifier, judged, options.split)) + "\n"
    options.out.write_text(page) if options.out else print(page, end="")


if __name__ == "__main__":
    main()
