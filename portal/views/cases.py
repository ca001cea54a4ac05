"""The health worker's pages: send a case, watch it, find it again."""

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, abort, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from portal.database import utc_now
from portal.errors import DomainError
from portal.forms.new_case import NewCaseForm
from portal.forms.patient import SKIN_TYPE_HINTS
from portal.models import BEING_READ, ROLES
from portal.permissions import get_case_or_404, get_lesion_or_404, get_patient_or_404, require_role
from portal.quality import ADVICE
from portal.queries.cases import GROUPS, count_cases, find_newer_case, latest_change_at, list_cases
from portal.queries.first_reads import must_read_first
from portal.queries.patients import known_lesions
from portal.queries.recalls import count_due, list_due
from portal.services.audit import record_alone
from portal.services.cases import AlreadySent, retry_case, submit_case
from portal.services.viewing import note_told, record_case_view, record_list, take_back_told
from portal.views.result import render_result

blueprint = Blueprint("cases", __name__, url_prefix="/cases")

SLOW_AFTER = timedelta(minutes=10)  # from when on "under a minute" is no longer what to expect
DUE = "due"  # of spots, not of cases: whoever sent the last photo, a patient who is due concerns the whole clinic


@blueprint.get("")
@require_role("health_worker")
def index():
    group = request.args.get("group") if request.args.get("group") in (*GROUPS, DUE) else None
    of_clinic, after, now = "clinic" in request.args, request.args.get("after", type=UUID), utc_now()
    position = (request.args.get("place", type=int), after) if after else None
    latest = _latest_change(of_clinic)
    counts = count_cases(current_user, of_clinic=of_clinic)
    if group == DUE:
        rows, continued = list_due(current_user, now, after=position)
    else:
        rows, continued = list_cases(current_user, group=group, of_clinic=of_clinic, after=position)
    if after and not rows:  # the last of them left the list meanwhile
        return redirect(url_for(".index", group=group, clinic=1 if of_clinic else None))
    next_place, next_after = continued or (None, None)
    page = render_template(
        "cases/index.html",
        rows=rows,
        counts=counts,
        latest=latest,
        # Whoever sent it may be away: what a patient waits for concerns the whole clinic.
        of_colleagues=0 if of_clinic else count_cases(current_user, of_clinic=True)["needs_you"] - counts["needs_you"],
        due_count=count_due(current_user, now),
        group=group,
        of_clinic=of_clinic,
        slow_since=now - SLOW_AFTER,
        next_after=next_after,
        next_place=next_place,
    )
    record_list(action="cases.list", cases=[case for case, _place in rows])
    return page


@blueprint.get("/news")
@require_role("health_worker")
def news():
    return jsonify(latest=_latest_change("clinic" in request.args))


@blueprint.route("/new", methods=["GET", "POST"])
@require_role("health_worker")
def new():
    patient, lesion, replaces = _chosen_rows()
    if request.method != "POST" and (elsewhere := _refused_already(patient, replaces)):
        return elsewhere
    form = NewCaseForm(patient=patient, lesion=lesion, replaces=replaces)
    first = None  # the case that this form made before, from other answers
    if form.validate_on_submit():
        try:
            return _sent(submit_case(submitter=current_user, replaces=replaces, **form.case_values()))
        except AlreadySent as error:
            first = error.case
            form.add_error(error)
            form.renew_key()
        except DomainError as error:
            form.add_error(error)
    status_code = 409 if first else 400 if form.errors else 200
    if form.errors and _wants_json():
        return jsonify(errors=form.all_errors(), first=first and _first_and_key(first, form)), status_code
    page = render_template(
        "cases/new.html",
        form=form,
        clinic=patient.clinic if patient else current_user.clinic,
        patient=patient,
        lesion=lesion,
        replaces=replaces,
        known_lesions=known_lesions([lesion] if replaces else patient.lesions if patient else []),
        first=first,
        skin_type_hints=SKIN_TYPE_HINTS,
        quality_advice=ADVICE,
    )
    if patient:
        record_alone(action="patient.view", target=patient, clinic_id=patient.clinic_id)
    return page, status_code


@blueprint.get("/<uuid:case_id>")
@require_role(*ROLES)
def show(case_id):
    case = get_case_or_404(case_id)
    record_case_view(case=case, viewer=current_user)
    # A clinician need not wait for the computer: the result page lets them decide without it.
    waits = {"health_worker": (*BEING_READ, "failed"), "admin": BEING_READ}
    if case.status in waits.get(current_user.role, ()):
        return render_template("cases/waiting.html", case=case)
    return render_result(case)


@blueprint.get("/<uuid:case_id>/status")
@require_role(*ROLES)
def status(case_id):
    case = get_case_or_404(case_id)
    return jsonify(status=case.status, tier=None if must_read_first(case, current_user) else case.tier)


@blueprint.post("/<uuid:case_id>/told")
@require_role("health_worker")
def told(case_id):
    note = take_back_told if "taken_back" in request.form else note_told
    note(case=get_case_or_404(case_id), actor=current_user, review_number=request.form.get("review", 0, type=int))
    return redirect(url_for(".show", case_id=case_id), 303)


@blueprint.post("/<uuid:case_id>/retry")
@require_role("health_worker")
def retry(case_id):
    retry_case(case=get_case_or_404(case_id), actor=current_user)
    return redirect(url_for(".show", case_id=case_id))


def _latest_change(of_clinic):
    latest_at = latest_change_at(current_user, of_clinic=of_clinic)
    return latest_at.isoformat() if latest_at else ""


def _chosen_rows():
    """(patient, lesion, replaced case) that the address or the form names; each may be None."""
    replaces = _named_row("replaces", get_case_or_404)
    lesion = replaces.lesion if replaces else _named_row("lesion", get_lesion_or_404)
    patient = _named_row("patient", get_patient_or_404) or (lesion.patient if lesion else None)
    if lesion and lesion.patient_id != patient.id:
        abort(404)
    return patient, lesion, replaces


def _refused_already(patient, replaces):
    """A redirect, with a word on why, where ``submit_case`` would take no photo; else None.

    For the page only: what is sent to it was entered, and is answered there.
    """
    if replaces:
        if replaces.status != "retake":
            flash(_("No new photo is needed for this case any more."), "info")
            return redirect(url_for(".show", case_id=replaces.id))
        if answer := find_newer_case(replaces):
            flash(_("The new photo was sent already: this is it."), "info")
            return redirect(url_for(".show", case_id=answer.id))
    if patient and patient.anonymised_at:
        flash(_("This patient's record was closed. Register the patient anew."), "warning")
        return redirect(url_for("patients.show", patient_id=patient.id))
    return None


def _named_row(name, get_or_404):
    row_id = request.values.get(name, type=UUID)
    return get_or_404(row_id) if row_id else None


def _first_and_key(first, form):
    return {"location": url_for(".show", case_id=first.id), "new_key": form.submission_key.data}


def _wants_json():
    return request.accept_mimetypes.best == "application/json"


def _sent(case):
    location = url_for(".show", case_id=case.id)
    return (jsonify(location=location), 201) if _wants_json() else redirect(location, 303)
