"""The image path under damaged photos, in a process of its own: a decoder that crashes takes that process along."""

import subprocess

import pytest

from config import ROOT
from tests.processes import PYTHON

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seconds", [4, pytest.param(600, marks=pytest.mark.long)])
def test_no_damaged_photo_does_worse_than_being_refused(seconds):
    command = [PYTHON, "-X", "faulthandler", "-m", "tests.abuse.fuzz_photos", str(seconds)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(result.stdout.strip())
    assert result.returncode == 0, result.stderr[-4000:]
    assert int(result.stdout.split(" damaged photos")[0]) >= 500
