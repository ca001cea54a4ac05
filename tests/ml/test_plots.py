"""The page of plots."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib, a training requirement")

from ml import plots
from ml.labels import CLASSES
from tests.ml.evaluating import run
from tests.ml.tiny import write_dataset


@pytest.mark.parametrize("classes", [("mel",), ("nv",), ("mel", "bcc"), ("nv", "df")])
def test_folder_of_only_malignant_or_only_benign_photographs_is_drawn(stand_in, tmp_path, classes):
    page = tmp_path / "page.svg"
    seen = run(tmp_path, "--data", write_dataset(tmp_path / "few", lesions=6, classes=classes), "--plots", page)
    assert seen["malignant"]["auc"] is None
    assert None in seen["malignant"]["operating_points"]["sensitivity_95"].values()
    assert page.read_text().count('id="axes_') == 6


def test_plots_are_drawn(stand_in, tiny_dataset, tmp_path):
    page = tmp_path / "page.svg"
    run(tmp_path, "--data", tiny_dataset, "--plots", page)
    text = page.read_text()
    assert text.count('id="axes_') == 6


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.mark.parametrize(("low", "is_drawn_from"), [(0.2, 0.18), (0.8, 0.5)])
def test_low_coverage_is_on_the_page(axes, low, is_drawn_from):
    own = {name: {"n": 9, "coverage": 0.9, "coverage_interval": [0.85, 0.95]} for name in CLASSES}
    own["df"] = {"n": 9, "coverage": 0.9, "coverage_interval": [low, 0.95]}
    plots.draw_coverage(axes, {"per_class": own, "mean_size": 2.0})
    assert axes.get_ylim()[0] == pytest.approx(is_drawn_from)


@pytest.mark.parametrize(
    ("auc", "interval", "is_drawn_from"), [(0.3, None, 0.28), (0.9, [0.1, 1.0], 0.08), (0.9, None, 0.4)]
)
def test_low_area_of_a_group_is_on_the_page_with_or_without_an_interval(axes, auc, interval, is_drawn_from):
    group = {"n": 5, "malignant": {"auc": auc, "auc_interval": interval}}
    plots.draw_slices(axes, {"sex": {"female": group}})
    assert axes.get_xlim()[0] == pytest.approx(is_drawn_from)


@pytest.mark.parametrize(("lesions", "told"), [(3, "5 photographs of 3 lesions; "), (None, "5 photographs; ")])
def test_title_tells_of_lesions_where_a_table_names_them(stand_in, tiny_dataset, tmp_path, lesions, told):
    report = run(tmp_path, "--data", tiny_dataset) | {"n": 5, "n_lesions": lesions}
    plots.draw_page(report, tmp_path / "page.svg")
    assert f"<!-- test-1, whole folder: {told}" in (tmp_path / "page.svg").read_text()


def test_curve_has_a_band_and_bins_have_brackets(axes):
    curve = {"false_positive_rate": [0, 1], "sensitivity": [0.5, 1], "sensitivity_intervals": [[0.3, 0.7], [1, 1]]}
    points = {"sensitivity_95": {"sensitivity": 0.9, "specificity": 0.5}}
    plots.draw_roc(axes, {"auc": 0.8, "roc": curve, "operating_points": points})
    (band,) = axes.collections
    assert (band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()) == (0.3, 1)
    axes.clear()
    bins = [{"n": 4, "confidence": 0.6, "accuracy": 0.5, "accuracy_interval": [0.2, 0.9]}, {"n": 0}]
    plots.draw_reliability(axes, {"n": 4, "reliability": bins, "ece": 0.1})
    brackets = axes.collections[0].get_segments()
    assert brackets[0] == pytest.approx(np.array([[0.6, 0.2], [0.6, 0.9]]))
