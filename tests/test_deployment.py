"""compose.yaml and the services of systemd give the portal what it starts with."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {"SECRET_KEY": "0" * 64, "DOMAIN": "portal.clinic.example", "POSTGRES_PASSWORD": "secret"}


def environment_of_compose():
    """What compose.yaml hands to the portal's containers where .env holds only what it must."""
    block = re.search(r"^  environment:\n((?:    .*\n)+)", (ROOT / "compose.yaml").read_text(), re.MULTILINE)[1]
    values = dict(re.findall(r'^    ([A-Z_]+): "?(.*?)"?$', block, re.MULTILINE))
    return {name: re.sub(r"\$\{(\w+):[-?]([^}]*)\}", chosen, value) for name, value in values.items()}


def chosen(variable):
    return NEEDED.get(variable[1], variable[2])


def test_the_web_server_starts_with_what_compose_gives_it(tmp_path):
    given = environment_of_compose()
    assert "WEB_CONCURRENCY" in given and "portal.clinic.example" in given["TRUSTED_HOSTS"]
    environment = {"PATH": os.environ["PATH"], "PORTAL_ENV": "production", "DATA_DIR": str(tmp_path), **given}
    command = [Path(sys.executable).with_name("gunicorn"), "--check-config"]
    checked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr


def test_the_backup_waits_for_the_disk_that_it_writes_to():
    unit = (ROOT / "ops/clinic/portal-backup.service").read_text()
    disk = re.search(r"flask --app portal backup (/\S+)/", unit)[1]
    asked = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert asked["RequiresMountsFor"] == asked["AssertPathIsMountPoint"] == disk
    assert disk in asked["ReadWritePaths"].split()
