from uuid import UUID

from flask import Blueprint, jsonify, render_template, request
from flask_login import current_user

from portal.models import ROLES
from portal.permissions import get_patient_or_404, require_role
from portal.queries.patients import find_patients, lesion_rows, pick_pair, suggest_patients
from portal.services.viewing import record_view

blueprint = Blueprint("patients", __name__, url_prefix="/patients")


@blueprint.get("")
@require_role(*ROLES)
def index():
    text = _text()
    rows, next_after = find_patients(current_user, text, after=request.args.get("after", type=UUID))
    page = render_template("patients/index.html", rows=rows, next_after=next_after, text=text)
    record_view(action="patient.search", details={"found": len(rows)})
    return page


@blueprint.get("/search")
@require_role(*ROLES)
def search():
    text = _text()
    found, has_more = suggest_patients(current_user, text) if text else ([], False)
    answer = jsonify(patients=[_as_json(patient, lesions) for patient, lesions in found], has_more=has_more)
    record_view(action="patient.search", details={"found": len(found)})
    return answer


@blueprint.get("/<uuid:patient_id>")
@require_role(*ROLES)
def show(patient_id):
    patient = get_patient_or_404(patient_id)
    rows = lesion_rows(patient, current_user)
    pair = pick_pair(rows, request.args.getlist("compare", type=UUID))
    page = render_template("patients/show.html", patient=patient, rows=rows, pair=pair)
    record_view(action="patient.view", target=patient, clinic_id=patient.clinic_id)
    return page


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
                "id": str(lesion.id),
                "reference": lesion.reference,
                "body_site": lesion.body_site,
                "last_at": last_at.isoformat() if last_at else None,
            }
            for lesion, last_at in lesions
        ],
    }
