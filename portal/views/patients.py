from uuid import UUID

from flask import Blueprint, abort, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import Conflict, DomainError
from portal.explanations import place_name
from portal.forms.answers import render_form
from portal.forms.patient import SKIN_TYPE_HINTS, CorrectionForm
from portal.models import ROLES
from portal.permissions import get_patient_or_404, require_role
from portal.queries.patients import find_patients, lesion_rows, pick_pair, suggest_patients
from portal.services.audit import record_alone
from portal.services.patients import correct_patient

blueprint = Blueprint("patients", __name__, url_prefix="/patients")


@blueprint.get("")
@require_role(*ROLES)
def index():
    text = _text()
    after = request.args.get("after", type=UUID)
    rows, next_after = find_patients(current_user, text, after=after)
    if after and not rows:  # the last of them are listed elsewhere by now, or nowhere
        return redirect(url_for(".index", q=text or None))
    page = render_template("patients/index.html", rows=rows, next_after=next_after, text=text)
    record_alone(action="patient.search", details={"found": len(rows)})
    return page


@blueprint.get("/search")
@require_role(*ROLES)
def search():
    text = _text()
    found, has_more = suggest_patients(current_user, text) if text else ([], False)
    answer = jsonify(patients=[_as_json(patient, lesions) for patient, lesions in found], has_more=has_more)
    record_alone(action="patient.search", details={"found": len(found)})
    return answer


@blueprint.get("/<uuid:patient_id>")
@require_role(*ROLES)
def show(patient_id):
    patient = get_patient_or_404(patient_id)
    rows = lesion_rows(patient, current_user)
    pair = pick_pair(rows, request.args.getlist("compare", type=UUID))
    page = render_template("patients/show.html", patient=patient, rows=rows, pair=pair)
    record_alone(action="patient.view", target=patient, clinic_id=patient.clinic_id)
    return page


@blueprint.route("/<uuid:patient_id>/correct", methods=["GET", "POST"])
@require_role("health_worker")
def correct(patient_id):
    patient = get_patient_or_404(patient_id)
    if patient.anonymised_at:
        abort(404)
    form, error = CorrectionForm(patient), None
    if form.validate_on_submit():
        values = form.patient_values()
        try:
            if correct_patient(patient=patient, editor=current_user, expected=form.seen.data, **values):
                flash(_("The details are corrected."), "success")
            return redirect(url_for(".show", patient_id=patient_id), 303)
        except Conflict as conflict:
            flash(conflict.message, "warning")
            return redirect(url_for(".correct", patient_id=patient_id), 303)
        except DomainError as refusal:
            error = refusal
    answer = render_form("patients/correct.html", form, error, patient=patient, skin_type_hints=SKIN_TYPE_HINTS)
    record_alone(action="patient.view", target=patient, clinic_id=patient.clinic_id)
    return answer


def _text():
    return request.args.get("q", "").strip()[:120]


def _as_json(patient, lesions):
    return {
        "id": str(patient.id),
        "reference": patient.reference,
        "name": patient.name,
        "birth_year": patient.birth_year,
        "sex": patient.sex,
        "skin_type": patient.skin_type,
        "lesions": [
            {
                "id": str(known.lesion.id),
                "reference": known.lesion.reference,
                "place": place_name(known.lesion),
                "last_at": known.last_at.isoformat() if known.last_at else None,
                "thumbnail": url_for("images.thumbnail", image_id=known.image_id) if known.image_id else None,
            }
            for known in lesions
        ],
    }
