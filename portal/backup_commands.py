"""Commands that take the whole database out and bring it back: ``flask --app portal backup --help``, ``restore``."""

import os

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from portal.backup import CannotBackUp, CannotRestore, restore_backup, write_backup
from portal.services import audit

MIN_PASSPHRASE_LENGTH = 12


def read_passphrase(*, is_asked_twice):
    """BACKUP_PASSPHRASE, else asked for. No option: a command line ends in the shell's history and in `ps`."""
    given = os.environ.get("BACKUP_PASSPHRASE")
    return given or click.prompt("Passphrase", hide_input=True, confirmation_prompt=is_asked_twice)


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False))
@with_appcontext
def backup_command(file):
    """Write the whole database, sealed with a passphrase, to FILE. The portal may go on running.

    The passphrase is taken from BACKUP_PASSPHRASE, else asked for. Without it a backup is worthless: keep it.
    """
    passphrase = read_passphrase(is_asked_twice=True)
    if len(passphrase) < MIN_PASSPHRASE_LENGTH:
        raise click.ClickException(f"The passphrase needs at least {MIN_PASSPHRASE_LENGTH} characters.")
    try:
        rows = write_backup(file, passphrase)
    except CannotBackUp as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from error
    size = os.path.getsize(file)
    click.echo(f"{rows} rows written to {file}, {size} bytes.")
    try:
        audit.record_alone(action="backup.made", details={"rows": rows, "bytes": size})
    except SQLAlchemyError:
        click.echo("The backup is good, but it could not be noted: the System page will not show it.", err=True)


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@with_appcontext
def restore_command(file):
    """Fill an empty, migrated database from a backup FILE: everything in it, or nothing.

    The passphrase is taken from BACKUP_PASSPHRASE, else asked for.
    When the audit trail in the backup is broken, everything is restored all the same, and status 1 says so.
    """
    try:
        restored = restore_backup(file, read_passphrase(is_asked_twice=False))
    except CannotRestore as error:
        raise click.ClickException(str(error)) from error
    broken = audit.find_first_break()
    made_at = f"{restored.made_at:%Y-%m-%d %H:%M} UTC"
    click.echo(
        f"{restored.rows} rows restored from {file}, as they were at {made_at}.\n"
        "Everybody has to log in again, and links to set a password are void: give out new ones.\n"
        f"Passwords and codes are those of {made_at}. What was done since then is not in the backup: "
        "repeat it for each patient deleted or made anonymous, and for each account closed."
    )
    audit.record_alone(action="backup.restored", details={"made_at": restored.made_at.isoformat()})
    if broken is not None:
        raise click.ClickException(
            f"All that the backup holds is restored; but the audit trail in it is broken at event {broken.id} "
            f"of {broken.at.isoformat()}."
        )
    click.echo("The audit trail holds.")
