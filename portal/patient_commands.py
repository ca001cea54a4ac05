"""Commands about patients' data: ``flask --app portal patient --help`` and ``flask --app portal check``."""

import json

import click
from flask.cli import AppGroup, with_appcontext

from portal.errors import DomainError
from portal.extensions import db
from portal.models import Clinic, Patient
from portal.queries.consistency import find_inconsistencies
from portal.services import retention

patients = AppGroup("patient", help="Patients' data: made anonymous or deleted, on request or by age.")

clinic_option = click.option("--clinic", "clinic_name", required=True, help="Name of the patient's clinic.")
reference_option = click.option("--reference", required=True, help="The clinic's own reference of the patient.")


@patients.command("anonymise")
@clinic_option
@reference_option
@click.confirmation_option(
    prompt="Name, reference, birth year, comments, notes and overview photos go for good. Make this patient anonymous?"
)
def anonymise(clinic_name, reference):
    """Erase who the patient is; spots, close-up photos and decisions stay. Prints the certificate as JSON.

    Backups made before still hold all of it: let them go by their own date.
    """
    _certified(retention.anonymise_patient, _find_patient(clinic_name, reference))


@patients.command("delete")
@clinic_option
@reference_option
@click.confirmation_option(prompt="Photos, predictions and reviews of this patient go for good. Delete?")
def delete(clinic_name, reference):
    """Delete the patient with everything that hangs on it. Prints the certificate as JSON.

    Backups made before still hold the patient: let them go by their own date.
    """
    _certified(retention.delete_patient, _find_patient(clinic_name, reference))


@patients.command("expire")
@click.option("--delete", "really", is_flag=True, help="Delete them; without it they are only counted.")
@click.option("--clock-is-right", is_flag=True, help="Delete though the portal was not in use one to three months ago.")
def expire(really, clock_is_right):
    """Patients past RETENTION_DAYS, counted from their last photo, decision or day to be seen again.

    Counts them, or deletes them (from cron, say). Whoever waits for a decision, for a new photo or to be told is kept.
    Deletes nobody while the audit trail has no entry of one to three months ago: the clock may be years ahead.
    """
    try:
        expired = retention.list_expired_patients()
        kept = retention.count_unfinished_patients()
        if really and expired and not clock_is_right:
            retention.require_likely_clock()
    except DomainError as error:
        raise click.ClickException(str(error.message)) from error
    if not really:
        click.echo(f"{len(expired)} patients are past the retention period. Add --delete to delete them.")
    if kept:
        click.echo(
            f"{kept} more are past it and are kept: a case waits for a decision or for a new photo, "
            "or nobody noted that the patient was told.",
            err=really,
        )
    if not really:
        return
    for patient_id in expired:
        certificate = retention.delete_expired_patient(patient_id)
        if certificate:
            click.echo(json.dumps(certificate))


@click.command("check")
@with_appcontext
def check_command():
    """Look for rows that lost their other half and photos that changed; status 1 when there are any."""
    found = find_inconsistencies()
    for sentence in found:
        click.echo(sentence)
    if found:
        raise SystemExit(1)
    click.echo("Every case has its photo, every spot its case, and every photo is what was stored.")


def _find_patient(clinic_name, reference):
    found = db.session.scalar(
        db.select(Patient).join(Patient.clinic).where(Clinic.name == clinic_name, Patient.reference == reference)
    )
    if found is None:
        raise click.ClickException(f"{clinic_name} has no patient {reference}.")
    return found


def _certified(act, patient):
    try:
        click.echo(json.dumps(act(patient=patient)))
    except DomainError as error:
        raise click.ClickException(str(error.message)) from error
