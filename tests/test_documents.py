"""What the documents point at exists, and what they tell people to type works."""

import re
from itertools import chain

import pytest

from config import ROOT, Config

DOCUMENTS = sorted(chain(ROOT.glob("*.md"), (ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    missing = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert not missing


def test_every_make_target_is_explained():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"\.PHONY: (.*)", makefile)[1].split()) - {"help"}
    explained = set(re.findall(r'@echo "make ([\w-]+)', makefile))
    assert targets == explained


def test_documented_commands_exist(runner):
    """Every ``flask --app portal A B`` in the documents is a command or a group's command."""
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    named = set(re.findall(r"flask --app portal ([a-z-]+(?: [a-z-]+)?)", text))
    assert named
    for words in named:
        result = runner.invoke(args=[*words.split(), "--help"])
        assert result.exit_code == 0, f"flask --app portal {words}: {result.output}"


def test_the_newest_changes_are_those_of_this_version():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest[1] == Config.VERSION
