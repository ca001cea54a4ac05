"""Commands for operators: ``flask --app portal --help``."""

import json
import os
import secrets
import sys

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from ml.labels import SEXES, SITES
from portal.backup_commands import backup_command, restore_command
from portal.database import utc_now
from portal.errors import DomainError
from portal.extensions import db
from portal.models import ROLES, Case, Clinic, User
from portal.patient_commands import check_command, patients
from portal.services import accounts, audit, classification, two_factor
from portal.services import cases as case_services

DEMO_CLINIC = "Demo clinic"
DEMO_PEOPLE = (
    ("nurse@demo.example", "Nora Nurse", "health_worker"),
    ("doctor@demo.example", "Dana Doctor", "clinician"),
    ("admin@demo.example", "Alex Admin", "admin"),
)


class PlainCommand(click.Command):
    """A rule that says no ends the command with its sentence on stderr and status 1."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except DomainError as error:
            raise click.ClickException(str(error.message)) from error


users = AppGroup("user", help="Accounts: create one, help somebody back in.")
cases = AppGroup("case", help="Cases: send one photo, have photos read again.")
trail = AppGroup("audit", help="The audit trail: check it, note its newest entry elsewhere.")


def init_app(app):
    own = (users, cases, trail, create_demo_accounts)
    for command in (*own, patients, check_command, backup_command, restore_command):
        app.cli.add_command(command)


@users.command("create", cls=PlainCommand)
@click.option("--email", required=True, help="What the person logs in with.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What the person may do.")
@click.option(
    "--clinic",
    "clinic_names",
    multiple=True,
    help="Name of a clinic; made when it is new. One for a health worker, one or more (repeat the option) "
    "for a clinician; an admin sees every clinic and needs none.",
)
@click.option("--name", help="The person's name as others see it; by default the email's first part.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, so that no history has it."
)
def create_user(email, role, clinic_names, name, password_stdin):
    """Create an account.

    Without --password-stdin a one-time link is printed; the person sets the password with it within a day.

    \b
    Example:
      pass show portal/nurse | flask --app portal user create \\
          --email nurse@clinic.example --role health_worker --clinic "Hill clinic" --password-stdin
    """
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    email = accounts.normalise_email(email)
    name = name or email.partition("@")[0]
    user = _create_user(clinic_names, email=email, name=name, role=role, password=password)
    click.echo(f"Created {user.email} as {user.role}.")
    if password is None:
        _print_reset_link(user)


@users.command("reset-password", cls=PlainCommand)
@click.argument("email")
def reset_password(email):
    """Print a one-time link with which EMAIL sets a new password; earlier links stop working."""
    _print_reset_link(_find_user(email))


@users.command("reset-two-factor", cls=PlainCommand)
@click.argument("email")
def reset_two_factor(email):
    """Turn two-factor login off for EMAIL, who lost the phone and the recovery codes."""
    user = _find_user(email)
    two_factor.reset_two_factor(user=user)
    click.echo(f"Two-factor login of {user.email} is off; set it up again after the next login.")


@click.command("demo-accounts", cls=PlainCommand)
@with_appcontext
def create_demo_accounts():
    """Make one account a role with random passwords, when there is no account yet.

    Writes them to DATA_DIR/demo-accounts.json (readable by you only) and prints them. Later runs do nothing.
    """
    demo_emails = {email for email, _name, _role in DEMO_PEOPLE}
    emails = set(db.session.scalars(db.select(User.email)))
    if emails >= demo_emails or not emails <= demo_emails:
        return
    path = current_app.config["DATA_DIR"] / "demo-accounts.json"
    if emails:  # an earlier first start was cut short: the passwords it wrote down are in use
        people = json.loads(path.read_text())
    else:
        people = [
            {"email": email, "password": secrets.token_urlsafe(12), "role": role} for email, _name, role in DEMO_PEOPLE
        ]
        _write_private(path, json.dumps(people, indent=2) + "\n")
    for person, (email, name, role) in zip(people, DEMO_PEOPLE, strict=True):
        if email not in emails:
            _create_user([DEMO_CLINIC], email=email, name=name, role=role, password=person["password"])
    click.echo("Demo accounts (change the passwords before real use):")
    for person in people:
        click.echo(f"  {person['role']:<14} {person['email']:<22} {person['password']}")


@cases.command("submit", cls=PlainCommand)
@click.argument("image", type=click.File("rb"))
@click.option("--clinic", "clinic_name", required=True, help="Name of the clinic the case belongs to.")
@click.option("--age", type=click.IntRange(0, 130), help="The patient's age in years.")
@click.option("--sex", type=click.Choice(SEXES))
@click.option("--site", type=click.Choice(SITES), help="Where on the body the spot is.")
def submit_case(image, clinic_name, age, sex, site):
    """Send the photo IMAGE as a new patient of a clinic, and print the number of the case.

    It is sent in the name of somebody of that clinic. By sending you say that the patient has consented.
    """
    clinic = _find_clinic(clinic_name)
    moment = utc_now()
    case = case_services.submit_case(
        submitter=_find_submitter(clinic),
        submission_key=secrets.token_urlsafe(24),
        patient={
            "clinic": clinic,
            "reference": f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            "birth_year": None if age is None else moment.year - age,
            "sex": sex,
        },
        lesion={"body_site": site or "unknown"},
        checklist=[],
        is_worried=False,
        comment="",
        consent=True,
        dermoscopic=image.read(),
    )
    click.echo(case.id)


@cases.command("requeue", cls=PlainCommand)
@click.argument("case_ids", metavar="[CASE]...", nargs=-1, type=click.UUID)
def requeue_cases(case_ids):
    """Have photos read again: the given cases, or all that failed; and ring the workers for all that wait.

    Use it after repairing what made them fail, for instance a missing model. Nothing is read twice.
    """
    chosen = db.select(Case).where(Case.id.in_(case_ids) if case_ids else Case.status == "failed")
    found = db.session.scalars(chosen).all()
    if len(found) < len(set(case_ids)):
        raise click.ClickException("There is no such case: " + ", ".join(_missing(case_ids, found)))
    failed = [case for case in found if case.status == "failed"]
    for case in failed:
        case_services.retry_case(case=case)
    waiting = db.session.scalars(db.select(Case.id).where(Case.status == "queued")).all()
    classification.ring(*waiting)
    click.echo(f"{len(failed)} failed cases wait again; rang for {len(waiting)} waiting cases.")


@trail.command("verify", cls=PlainCommand)
@click.option(
    "--head", "noted_head", metavar="ID:HASH", help="An earlier output of `audit head`; it must still be there."
)
def verify_audit(noted_head):
    """Check every seal and link of the audit trail; status 1 at the first one that does not hold.

    With --head it also shows that nothing was cut off the end since that head was noted.
    """
    broken = audit.find_first_break()
    if broken is not None:
        raise click.ClickException(f"The trail is broken at event {broken.id} of {broken.at.isoformat()}.")
    if noted_head is not None and not audit.has_event(*_split_head(noted_head)):
        raise click.ClickException(f"The event {noted_head} is not in the trail any more.")
    head = audit.find_head()
    click.echo(f"The trail holds: {head.id if head else 0} is the newest event.")


@trail.command("head", cls=PlainCommand)
def show_audit_head():
    """Print ID:HASH of the newest audit event. Keep it on another machine, for instance by cron."""
    head = audit.find_head()
    if head is None:
        raise click.ClickException("The audit trail is empty.")
    click.echo(f"{head.id}:{head.hash}")


def _split_head(text):
    event_id, _colon, digest = text.partition(":")
    if not event_id.isdecimal() or len(digest) != 64:
        raise click.BadParameter("it looks like 123:0f3c…, as `audit head` prints it", param_hint="--head")
    return int(event_id), digest


def _find_user(email):
    user = db.session.scalar(db.select(User).where(User.email == accounts.normalise_email(email)))
    if user is None:
        raise click.ClickException(f"There is no account {email}.")
    return user


def _find_clinic(name):
    clinic = db.session.scalar(db.select(Clinic).where(Clinic.name == name.strip()))
    if clinic is None:
        raise click.ClickException(f"There is no clinic {name!r}.")
    return clinic


def _find_submitter(clinic):
    """A health worker of the clinic, else a clinician, else an admin."""
    is_there = User.clinics.any(Clinic.id == clinic.id) | (User.role == "admin")
    people = db.session.scalars(db.select(User).where(User.is_active.is_(True), is_there).order_by(User.id))
    submitter = min(people, key=lambda user: ROLES.index(user.role), default=None)
    if submitter is None:
        raise click.ClickException(f"Nobody works at {clinic.name}. Create a health worker first.")
    return submitter


def _missing(case_ids, found):
    return [str(case_id) for case_id in case_ids if case_id not in {case.id for case in found}]


def _create_user(clinic_names, *, role, **details):
    """An account at these clinics, with those of them that are new; an admin sees every clinic and needs none."""
    names = [] if role == "admin" else list(dict.fromkeys(name.strip() for name in clinic_names))
    found = db.session.scalars(db.select(Clinic).where(Clinic.name.in_(names))).all()
    new = [name for name in names if name not in {clinic.name for clinic in found}]
    user = accounts.create_user(role=role, clinics=found, new_clinics=new, **details)
    for name in new:
        click.echo(f"Created the clinic {name}.")
    return user


def _print_reset_link(user):
    token = accounts.issue_reset_link(user=user)
    click.echo(f"One-time link, good for a day: /reset/{token} (after the portal's address).")


def _write_private(path, content):
    """Write the file so that at no moment anybody else can read it."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
