"""Migrated databases for tests: one template of each kind, copied for every test."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
from flask_migrate import upgrade
from psycopg import sql

from config import TestingConfig
from portal import create_app
from portal.extensions import db


def migrate_database(url, data_dir):
    """Bring the database at ``url`` to the newest schema, with the migrations a deployment runs."""
    app = create_app(TestingConfig({"DATA_DIR": str(data_dir), "DATABASE_URL": url}))
    with app.app_context():
        upgrade()
        db.session.remove()
        db.engine.dispose()


class SqliteDatabases:
    """Copies of one migrated file."""

    def __init__(self, directory):
        self._directory = Path(directory)
        self._template = self._directory / "template.sqlite3"
        migrate_database(f"sqlite:///{self._template}", self._directory)

    def create(self, name, data_dir):
        path = Path(data_dir) / "portal.sqlite3"
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"

    def drop(self, name):
        pass  # the test's folder goes as a whole


class PostgresqlDatabases:
    """A throw-away cluster on a unix socket, and copies of one migrated database in it."""

    def __init__(self, binaries):
        # The server refuses to run as root, and pytest's own folders are closed to other users.
        self._directory = Path(tempfile.mkdtemp(prefix="portal-pg-"))
        account = pwd.getpwuid(os.getuid()) if os.getuid() else _service_account()
        self.owner = account.pw_uid, account.pw_gid
        os.chown(self._directory, *self.owner)
        self._as_account = {} if os.getuid() else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._binaries = binaries
        # A cluster in the C locale, which a bare environment would make, knows no capital letters but A to Z.
        if self._run("initdb", "-U", "portal", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync").wait():
            raise RuntimeError((self._directory / "log").read_text())
        self.start()
        self._admin.execute("CREATE DATABASE template_portal")
        migrate_database(self.url("template_portal"), self._directory)

    def _run(self, program, *arguments):
        command = [self._binaries / program, "-D", self._directory / "cluster", *arguments]
        with open(self._directory / "log", "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self._directory, **self._as_account)

    def start(self):
        # The data is thrown away, so durability beyond the server's own death would only cost time.
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self._directory,
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "60",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        self._server = self._run("postgres", *flags)
        self._admin = self._connect()

    def kill(self):
        """SIGKILL the server and every process of it."""
        server = psutil.Process(self._server.pid)
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait(timeout=20)
        psutil.wait_procs(processes, timeout=20)
        self._admin.close()

    def url(self, name):
        return f"postgresql+psycopg://portal@/{name}?host={self._directory}"

    def create(self, name, data_dir):
        command = sql.SQL("CREATE DATABASE {} TEMPLATE template_portal")
        self._admin.execute(command.format(sql.Identifier(name)))
        return self.url(name)

    def folder(self, name):
        """A new folder that the server can reach."""
        folder = self._directory / name
        folder.mkdir()
        os.chown(folder, *self.owner)
        return folder

    def move(self, name, folder):
        """Keep the database's files in ``folder``, an empty one of the server's own; until ``drop``."""
        os.chown(folder, *self.owner)
        space = sql.Identifier(f"{name}_space")
        self._admin.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(space, sql.Literal(str(folder))))
        self._admin.execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE {}").format(sql.Identifier(name), space))

    def drop(self, name):
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        self._admin.execute(sql.SQL("DROP TABLESPACE IF EXISTS {}").format(sql.Identifier(f"{name}_space")))

    def close(self):
        self._admin.close()
        self._server.send_signal(signal.SIGINT)  # fast shutdown: does not wait for clients
        self._server.wait(timeout=20)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _connect(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                return psycopg.connect(f"host={self._directory} user=portal dbname=postgres", autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._server.poll() is not None:
                    raise RuntimeError((self._directory / "log").read_text()) from None
                time.sleep(0.1)


def find_postgresql():
    """Folder of PostgreSQL's server binaries, the newest version's, or None."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _service_account():
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
