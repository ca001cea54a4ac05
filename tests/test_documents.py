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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_a_chapter_find_it(document):
    targets = re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", document.read_text())
    missing = [f"{path}#{anchor}" for path, anchor in targets if anchor not in anchors_of(document.parent / path)]
    assert not missing


def anchors_of(document):
    """What its headings are called in links: small letters, hyphens for blanks, no signs."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


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


def test_documented_options_of_the_model_exist():
    """Every option that stands behind ``python -m ml.X`` in the documents is one of X's."""
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    commands = re.findall(r"python -m ml\.(\w+)([^`\n]*)", text)
    named = {(module, option) for module, rest in commands for option in re.findall(r"--[a-z-]+", rest)}
    assert ("calibrate", "--artifact") in named
    unknown = [pair for pair in named if f'"{pair[1]}"' not in (ROOT / "ml" / f"{pair[0]}.py").read_text()]
    assert not unknown


def test_the_newest_changes_are_those_of_this_version():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest[1] == Config.VERSION
