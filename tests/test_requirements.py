"""requirements.txt is installed without looking for more: what an older or newer Python needs must be in it too."""

from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT


def pinned():
    lines = (ROOT / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
    return [
        Requirement(line.split("--hash")[0]) for line in lines if line.strip() and not line.lstrip().startswith("#")
    ]


@pytest.mark.parametrize("version", ["3.11.0", "3.11.2", "3.11.9", "3.12.0", "3.13.0", "3.14.0"])
def test_every_python_gets_all_that_its_packages_need(version):
    python = {"python_full_version": version, "python_version": version.rpartition(".")[0], "extra": ""}
    here = [pin for pin in pinned() if pin.marker is None or pin.marker.evaluate(python)]
    names = {canonicalize_name(pin.name) for pin in here}
    assert len(names) > 30
    missing = {
        f"{pin.name} needs {needed}"
        for pin in here
        for needed in map(Requirement, _needs(pin.name))
        if (needed.marker is None or needed.marker.evaluate(python)) and canonicalize_name(needed.name) not in names
    }
    assert not missing


def _needs(name):
    try:
        return metadata.requires(name) or ()
    except metadata.PackageNotFoundError:
        return ()  # pinned for another Python than the one that runs this
