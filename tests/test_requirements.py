"""The serving requirements are enough to serve, pinned with hashes, and free of what only training needs."""

import re
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config import ROOT

# What the supervisor, the web server and a worker import between start and the first photo.
ENTRANCES = (
    "ops.__main__",
    "ops.prepare",
    "worker",
    "portal.tasks",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "kombu.transport.redis",
    "gunicorn.workers.gthread",
    "ml.classifier",
    "psycopg",
)
# Run with the names that are pinned: whatever else this environment has cannot be imported, as on a bare clone.
IMPORT_ALL = f"""
import importlib, re, sys
from importlib.metadata import packages_distributions
pinned = set(sys.argv[1:])
owners = {{module: {{re.sub(r"[-_.]+", "-", name).lower() for name in names}}
          for module, names in packages_distributions().items()}}
class OnlyPinned:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None and name in owners and not owners[name] & pinned:
            raise ModuleNotFoundError(f"{{name}} is not among the requirements", name=name)
sys.meta_path.insert(0, OnlyPinned)
for name in {ENTRANCES}:
    importlib.import_module(name)
"""


def pins(name):
    """{normalised distribution: its lines} of a requirements file."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", (ROOT / name).read_text())
    return {entry.partition("==")[0]: entry for entry in entries if "==" in entry}


def test_serving_imports_nothing_beyond_its_requirements(data_dir):
    env = {"DATA_DIR": str(data_dir), "PATH": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", IMPORT_ALL, *pins("requirements.txt")]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-train.txt"])
def test_every_pin_has_a_hash_and_no_place(name):
    entries = pins(name)
    assert len(entries) > 20
    assert not [pin for pin, entry in entries.items() if "--hash=sha256:" not in entry]
    assert not re.search(r"index-url|find-links|https?://|file:/", (ROOT / name).read_text())


def test_what_is_tested_is_what_is_served():
    def versions(name):
        return {pin: re.match(r"\S+==(\S+)", entry)[1] for pin, entry in pins(name).items()}

    tested = versions("requirements-dev.txt")
    assert {pin: tested.get(pin) for pin in pins("requirements.txt")} == versions("requirements.txt")


def test_serving_needs_no_training_library():
    assert not set(pins("requirements.txt")) & {"tensorflow", "tensorflow-cpu", "keras", "torch", "scipy", "matplotlib"}


@pytest.mark.parametrize("version", ["3.11.0", "3.11.2", "3.11.9", "3.12.0", "3.13.0", "3.14.0"])
def test_every_python_gets_all_that_its_packages_need(version):
    """They are installed without looking for more, so what an older or newer Python needs must be pinned too."""
    python = {"python_full_version": version, "python_version": version.rpartition(".")[0], "extra": ""}
    lines = (entry.replace("\\\n", " ").partition("--hash")[0] for entry in pins("requirements.txt").values())
    here = [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate(python)]
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
