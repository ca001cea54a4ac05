"""The sheet that the patient takes home, in the patient's own language."""

from flask import Blueprint, abort, current_app, render_template, request
from flask_babel import force_locale, get_locale
from flask_login import current_user

from portal.explanations import DECISIONS, describe
from portal.models import ROLES
from portal.permissions import get_case_or_404, require_role
from portal.queries.first_reads import must_read_first
from portal.services.audit import record_alone

blueprint = Blueprint("leaflet", __name__)


@blueprint.get("/cases/<uuid:case_id>/leaflet")
@require_role(*ROLES)
def show(case_id):
    case = get_case_or_404(case_id)
    if must_read_first(case, current_user):
        abort(404)
    record_alone(action="leaflet.view", target=case, clinic_id=case.clinic_id)
    language = request.args.get("language")
    prediction = _shown_prediction(case)
    with force_locale(language if language in current_app.config["LANGUAGES"] else str(get_locale())):
        return render_template(
            "cases/leaflet.html",
            case=case,
            review=case.latest_review,
            decisions=DECISIONS,
            prediction=prediction,
            explanation=describe(case, prediction, "patient"),
        )


def _shown_prediction(case):
    """The model's view; none where a clinician came to another one, as two answers on one sheet help nobody.

    Nor is there one where a clinician asks for another photo, as this one cannot be judged.
    """
    if case.status == "retake":
        return None
    review = case.latest_review
    if review is None:
        return case.prediction
    return review.prediction if review.agrees else None
