"""Photographs are known again by their ids, and by what they show."""

import io

import numpy as np
import pytest
from PIL import Image

from ml.data import MANIFESTS, read_dataset, read_split, split_records, write_manifests
from ml.made_with import PARTS, SIGNS, are_made_with, fingerprint, ids_made_with, write_signs
from tests.ml.tiny import paint_lesion


@pytest.fixture(scope="module")
def parts(tiny_dataset):
    return split_records(read_dataset(tiny_dataset))


def pictures(records, size=None, quality=None):
    """The photographs, scaled and compressed."""
    for record in records:
        with Image.open(record.path) as image:
            changed = image.resize(size, Image.Resampling.BICUBIC) if size else image.copy()
        content = io.BytesIO()
        changed.save(content, "JPEG" if quality else "PNG", **({"quality": quality} if quality else {}))
        yield Image.open(content)


def write_split(folder, image):
    """Manifests of no names, and one picture's signs."""
    for part in PARTS:
        (folder / f"{part}.csv").write_text("image_id\n")
    write_signs(folder, [fingerprint(image)])


def found(images, manifests):
    prints = np.array([fingerprint(image) for image in images])
    return are_made_with([f"other_{n}" for n in range(len(prints))], prints, manifests)


def test_a_model_is_made_with_all_parts_but_the_test(parts, tiny_manifests):
    used = [r.image_id for name in ("train", "validation", "calibration") for r in parts[name]]
    assert ids_made_with(tiny_manifests) == set(used)


@pytest.mark.parametrize(("size", "quality"), [(None, None), ((64, 64), None), ((128, 128), 60), ((200, 150), 50)])
def test_copies_under_other_names_are_known(parts, tiny_manifests, size, quality):
    assert found(pictures(parts["train"], size, quality), tiny_manifests).all()


def test_other_photographs_are_not_known(parts, tiny_manifests):
    assert not found(pictures(parts["test"]), tiny_manifests).any()


def test_picture_without_detail_is_never_known(tmp_path):
    blank = Image.new("RGB", (50, 50))
    write_split(tmp_path, blank)
    assert not found([blank], tmp_path).any()


def test_split_from_before_signs_were_kept_goes_by_ids(tmp_path, parts):
    write_manifests(parts, tmp_path, seed=0)
    (tmp_path / SIGNS).unlink()
    first, test = parts["train"][0], parts["test"][0]
    prints = np.array([fingerprint(image) for image in pictures([first, test])])
    assert are_made_with([first.image_id, test.image_id], prints, tmp_path).tolist() == [True, False]


def test_dark_round_edge_does_not_make_photographs_alike(tmp_path):
    def through_a_tube(seed):
        image = paint_lesion("nv", seed, (200, 150))
        rows, columns = np.mgrid[:150, :200]
        outside = ((columns - 100) / 98) ** 2 + ((rows - 75) / 73) ** 2 > 1
        return Image.fromarray(np.where(outside[..., None], 0, np.asarray(image)).astype(np.uint8))

    write_split(tmp_path, through_a_tube(1))
    assert found([through_a_tube(1), through_a_tube(2)], tmp_path).tolist() == [True, False]


def test_committed_signs_are_of_all_photographs_of_the_manifests():
    assert len(np.load(MANIFESTS / SIGNS)) == len(ids_made_with(MANIFESTS)) == 8812


def test_real_photographs_are_known_again(ham10000):
    records = read_dataset(ham10000)
    assert found(pictures(read_split(records, "calibration")[::20], (64, 64)), MANIFESTS).all()
    assert not found(pictures(read_split(records, "test")[::20]), MANIFESTS).any()
