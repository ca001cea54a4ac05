"""ml.evaluate as a command."""

import json

from ml import evaluate


def run(tmp_path, *arguments) -> dict:
    out = tmp_path / "report.json"
    assert evaluate.main([*map(str, arguments), "--json", str(out), "--repeats", "100"]) == 0
    return json.loads(out.read_text())
