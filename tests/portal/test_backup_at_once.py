"""Two backups to one file: none destroys what the other one wrote."""

import fcntl
import threading

import pytest

from portal import backup as backups
from portal.backup import CannotBackUp, write_backup
from tests import factories
from tests.portal.test_backup import PASSPHRASE, lines_of


def test_of_two_to_one_file_at_once_the_second_is_refused(app, data_dir, monkeypatch):
    factories.make_case()
    path, is_writing, go_on = data_dir / "backup", threading.Event(), threading.Event()
    write_line = backups._write_line

    def write_line_slowly(file, value):
        write_line(file, value)
        if not is_writing.is_set():
            is_writing.set()
            go_on.wait(30)

    def write_first():
        with app.app_context():
            write_backup(path, PASSPHRASE)

    monkeypatch.setattr(backups, "_write_line", write_line_slowly)
    first = threading.Thread(target=write_first)
    first.start()
    assert is_writing.wait(30)
    with pytest.raises(CannotBackUp, match="Another backup to .* is being written"):
        write_backup(path, PASSPHRASE)
    go_on.set()
    first.join(30)
    assert lines_of(path)[-1]["counts"]["case"] == 1
    assert [entry.name for entry in data_dir.glob("backup*")] == ["backup"]


def test_nor_is_one_emptied_that_came_into_place_meanwhile(app, data_dir, monkeypatch):
    path, part = data_dir / "backup", data_dir / "backup.part"
    write_backup(part, PASSPHRASE)
    content, flock = part.read_bytes(), fcntl.flock

    def flock_late(*args):
        part.rename(path)
        flock(*args)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    with pytest.raises(CannotBackUp):
        write_backup(path, PASSPHRASE)
    assert path.read_bytes() == content


def test_what_a_killed_one_left_is_written_over(app, data_dir):
    factories.make_case()
    (data_dir / "backup.part").write_bytes(b"x" * 1_000_000)
    write_backup(data_dir / "backup", PASSPHRASE)
    assert lines_of(data_dir / "backup")[-1]["counts"]["case"] == 1
    assert not (data_dir / "backup.part").exists()
