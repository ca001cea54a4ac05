"""Photos and maps: fixed content types, nothing a browser could run, nothing a proxy could keep."""

from flask import Blueprint, Response, abort
from flask_login import current_user

from portal.models import ROLES
from portal.permissions import get_case_or_404, get_image_or_404, require_role
from portal.queries.first_reads import must_read_first
from portal.services.audit import record_alone

blueprint = Blueprint("images", __name__)


@blueprint.get("/images/<uuid:image_id>")
@require_role(*ROLES)
def show(image_id):
    image = get_image_or_404(image_id)
    response = _picture(image.content, "image/jpeg")
    # Of the case, under whose number the audit page shows who saw anything of it.
    record_alone(action="image.view", target=image.case, clinic_id=image.case.clinic_id, details={"photo": image.kind})
    return response


@blueprint.get("/images/<uuid:image_id>/thumbnail")
@require_role(*ROLES)
def thumbnail(image_id):
    # Thumbnails come with a page whose own view is on record, so each one is not written down again.
    return _picture(get_image_or_404(image_id).thumbnail, "image/jpeg")


@blueprint.get("/cases/<uuid:case_id>/activation-map.png")
@require_role(*ROLES)
def activation_map(case_id):
    case = get_case_or_404(case_id)
    if case.prediction is None or must_read_first(case, current_user):
        abort(404)
    return _picture(case.prediction.activation_map, "image/png")


def _picture(content, content_type):
    response = Response(content, content_type=content_type)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Disposition"] = "inline"
    return response
