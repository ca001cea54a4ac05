"""The house rules of docs/architecture.md, held by reading the code and by importing it."""

import ast
import re
import subprocess
import sys

import pytest

from config import ROOT

PACKAGES = ("portal", "ml", "ops", "benchmarks", "tests", "docs")
LONGEST_FILE_LINES = 300

# Who may not import what: the part before the colon is where, the rest are module prefixes.
FORBIDDEN = {
    "ml": ("portal", "flask", "celery", "sqlalchemy", "ops"),
    "ops": ("ml", "portal.views", "portal.services", "portal.models"),
    "portal": ("ops", "tests", "tensorflow", "keras"),
    "portal/models": ("portal.services", "portal.views", "portal.queries", "portal.forms", "portal.tasks", "flask"),
    "portal/services": ("portal.views", "portal.forms", "portal.tasks"),
    "portal/queries": ("portal.views", "portal.forms", "portal.services", "portal.tasks"),
    "portal/forms": ("portal.views", "portal.services", "portal.tasks"),
    "portal/views": ("portal.tasks", "ml.classifier"),
    "portal/images.py": ("portal.models", "portal.services", "portal.views", "portal.extensions", "sqlalchemy"),
    "portal/triage.py": ("flask", "portal.services", "portal.queries", "portal.views", "portal.extensions"),
}


def python_files(*places):
    for place in places:
        path = ROOT / place
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def imports_of(path):
    """Every module a file names in an import, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(module, prefix):
    return module == prefix or module.startswith(f"{prefix}.")


@pytest.mark.parametrize("place", FORBIDDEN)
def test_imports_go_one_way(place):
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in python_files(place)
        for module in imports_of(path)
        for prefix in FORBIDDEN[place]
        if is_below(module, prefix)
    ]
    assert not wrong


def test_importing_the_portal_loads_no_model_runtime():
    heavy = ("tensorflow", "keras", "ai_edge_litert", "torch", "ml.classifier")
    code = f"import sys, portal; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_views_write_through_services_only():
    """A handler that added or committed rows itself would escape the audit trail and the locking rules."""
    writes = re.compile(r"db\.session\.(add|add_all|delete|commit|flush|merge)\b|begin_write\b")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in python_files("portal/views", "portal/queries", "portal/forms")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if writes.search(line)
    ]
    assert not wrong


# What no page asks for: a worker's own writes, and the one of a command over many patients.
BY_POSITION = {"classification.claim_case", "classification.finish_case", "classification.fail_case"}
BY_POSITION |= {"retention.delete_expired_patient"}


def test_writes_take_keyword_only_arguments():
    """Two ids or two names given in the wrong order would change the wrong row."""
    writes = [
        (f"{path.stem}.{function.name}", function.args.posonlyargs + function.args.args)
        for path in python_files("portal/services")
        for function in ast.parse(path.read_text()).body
        if isinstance(function, ast.FunctionDef)
        and not function.name.startswith("_")
        and "begin_write" in ast.unparse(function)
    ]
    assert len(writes) > 20
    assert {name for name, positional in writes if positional} <= BY_POSITION


def test_files_stay_short():
    long = {
        str(path.relative_to(ROOT)): count
        for path in python_files(*(package for package in PACKAGES if (ROOT / package).is_dir()))
        if (count := len(path.read_text().splitlines())) > LONGEST_FILE_LINES
    }
    assert not long


def templates():
    return sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a script inside the page", r"<script(?![^>]*\bsrc=)"),
        ("a style inside the page", r"<style\b|\sstyle\s*="),
        ("a handler inside the page", r"\son[a-z]+\s*="),
        ("a javascript: address", r"javascript:"),
        ("something from another host", r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//"),
    ],
)
def test_templates_keep_to_the_content_security_policy(what, pattern):
    wrong = [str(path.relative_to(ROOT)) for path in templates() if re.search(pattern, path.read_text(), re.IGNORECASE)]
    assert not wrong, f"{what} in {wrong}"


def test_static_files_load_nothing_from_elsewhere():
    """Comments and SVG namespaces may name an address; url(), import and fetch may not."""
    pattern = re.compile(r"(?:url\(|@import|import\s|from\s|fetch\()\s*[\"'`]?(?:https?:)?//")
    files = [path for path in (ROOT / "static").rglob("*") if path.suffix in {".css", ".js", ".svg", ".html"}]
    wrong = [str(path.relative_to(ROOT)) for path in files if pattern.search(path.read_text())]
    assert files and not wrong


def test_pictures_that_pages_name_are_there():
    """A picture that is not in the file is drawn as nothing, and nobody is told."""
    drawn = set(re.findall(r'id="([a-z-]+)"', (ROOT / "static/img/icons.svg").read_text()))
    named = {name for path in templates() for name in re.findall(r'icon\("([a-z-]+)"', path.read_text())}
    assert len(named) > 40 and named <= drawn
