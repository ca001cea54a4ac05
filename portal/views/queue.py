from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from ml.labels import SITES
from portal.database import utc_now
from portal.models import TIERS
from portal.permissions import require_role
from portal.queries.queue import FIRST_READ, STATUS_GROUPS, QueueFilters, find_next_case_id, last_review_at, load_queue
from portal.services.viewing import record_view

blueprint = Blueprint("queue", __name__, url_prefix="/queue")

_FILTERS_KEY = "queue_filters"


@blueprint.get("")
@require_role("clinician")
def index():
    filters = read_filters(request.args)
    session[_FILTERS_KEY] = filters.as_args()
    queue = load_queue(current_user, filters, after=request.args.get("after", type=UUID))
    last_at = None if queue.rows else last_review_at(current_user)
    page = render_template(
        "queue/index.html", queue=queue, filters=filters, last_review_at=last_at, now=utc_now(), sites=SITES
    )
    record_view(action="queue.view", details={"cases": [str(row.case.id) for row in queue.rows]})
    return page


@blueprint.get("/next")
@require_role("clinician")
def next():
    """To the nearest case nobody else has, under the filters the queue was last seen with."""
    after, before = (request.args.get(name, type=UUID) for name in ("after", "before"))
    filters = read_filters(MultiDict(session.get(_FILTERS_KEY)))
    case_id = find_next_case_id(current_user, filters, utc_now(), after=after, before=before)
    if case_id is not None:
        return redirect(url_for("cases.show", case_id=case_id))
    flash(_("That was the first case of the queue.") if before else _("No other case is free to review."), "info")
    return redirect(url_for("queue.index", **filters.as_args()))


def read_filters(args):
    """QueueFilters of a query string; what is not on offer counts as not chosen."""
    return QueueFilters(
        status=_choice(args.get("status"), STATUS_GROUPS) or "waiting",
        tier=_choice(args.get("tier"), (*TIERS, FIRST_READ)),
        clinic_id=args.get("clinic", type=int),
        site=_choice(args.get("site"), SITES),
        text=args.get("q", "").strip()[:40],
    )


def _choice(value, offered):
    return value if value in offered else None
