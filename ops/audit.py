"""``python -m ops.audit``: known weaknesses in the pinned requirements; status 1 when there are any.

Where the source of advisories cannot be reached, one line says so and the status is 0: that is no fault of the build.
"""

import json
import subprocess
import sys

from config import ROOT

REQUIREMENTS = ROOT / "requirements.txt"


def main():
    command = ["pip_audit", "--disable-pip", "--require-hashes", "-r", str(REQUIREMENTS), "--format", "json"]
    quiet = ["--progress-spinner", "off", "--timeout", "10"]
    result = subprocess.run([sys.executable, "-m", *command, *quiet], capture_output=True, text=True)
    try:
        listed = json.loads(result.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        listed = []
    # A source that does not know a package is no source: pip-audit skips it and still ends with "none found".
    audited = [package for package in listed if "skip_reason" not in package]
    if not audited:
        reasons = [package["skip_reason"] for package in listed] or result.stderr.strip().splitlines() or ["no answer"]
        print(f"DEPENDENCIES NOT AUDITED, no source of advisories answers ({reasons[-1][:90]}): see docs/security.md.")
        return 0
    found = [(package, weakness) for package in audited for weakness in package["vulns"]]
    for package, weakness in found:
        fixed = ", ".join(weakness["fix_versions"]) or "no release yet"
        print(f"{package['name']} {package['version']}: {weakness['id']} (fixed in {fixed})")
    print(f"{len(audited)} of {len(listed)} pinned packages audited, {len(found)} known weaknesses.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
