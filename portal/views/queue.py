from datetime import datetime
from uuid import UUID

from flask import Blueprint, flash, jsonify, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from ml.labels import SITES
from portal import explanations
from portal.database import utc_now
from portal.models import TIERS
from portal.permissions import require_role
from portal.queries.queue import (
    FIRST_READ,
    STATUS_GROUPS,
    QueueFilters,
    find_more_urgent_case_id,
    find_next_case_id,
    last_review_at,
    latest_change_at,
    load_queue,
)
from portal.services.audit import record_alone

blueprint = Blueprint("queue", __name__, url_prefix="/queue")

STATUS_WORDS = {
    "waiting": _l("All that wait"),
    "to_review": _l("Ready to review"),
    "reading": _l("Being read"),
    "failed": _l("Not read by the computer"),
    "retake": _l("New photo asked"),
    "reviewed": _l("Reviewed"),
}
_FILTERS_KEY = "queue_filters"
_SEEN_KEY = "queue_seen_at"  # when this person was last shown what the queue holds


@blueprint.get("")
@require_role("clinician")
def index():
    filters = read_filters(request.args)
    session[_FILTERS_KEY] = filters.as_args()
    now = utc_now()
    after = request.args.get("after", type=UUID)
    if after is None:  # further down, what came to the top meanwhile is not shown
        session[_SEEN_KEY] = now.isoformat()
    latest = _latest_change(filters)  # before the cases: what comes between the two is told once more, not missed
    queue = load_queue(current_user, filters, after=after and (request.args.get("place"), after))
    if after and not queue.rows:  # the last of them left the list meanwhile
        return redirect(url_for(".index", **filters.as_args()))
    last_at = None if queue.rows else last_review_at(current_user)
    page = render_template(
        "queue/index.html",
        queue=queue,
        latest=latest,
        filters=filters,
        chosen=_in_words(filters),
        status_words=STATUS_WORDS,
        sites=SITES,
        last_review_at=last_at,
        now=now,
    )
    record_alone(action="queue.view", details={"cases": [str(row.case.id) for row in queue.rows]})
    return page


@blueprint.get("/news")
@require_role("clinician")
def news():
    return jsonify(latest=_latest_change(read_filters(request.args)))


@blueprint.get("/next", endpoint="next")
@require_role("clinician")
def go_to_next():
    """To the nearest case nobody else has, under the filters the queue was last seen with."""
    after, before = (request.args.get(name, type=UUID) for name in ("after", "before"))
    filters = read_filters(MultiDict(session.get(_FILTERS_KEY)))
    if before:
        case_id = find_next_case_id(current_user, filters, utc_now(), before=before)
    else:
        case_id = _find_onward(filters, after)
    if case_id is not None:
        return redirect(url_for("cases.show", case_id=case_id))
    flash(_("That was the first case of the queue.") if before else _no_other(filters), "info")
    return redirect(url_for("queue.index", **filters.as_args()))


def _latest_change(filters):
    latest_at = latest_change_at(current_user, filters)
    return latest_at.isoformat() if latest_at else ""


def _find_onward(filters, after):
    """What came since the queue was last seen and is more urgent, else the next case, after the last one the first."""
    now = utc_now()
    seen_at, session[_SEEN_KEY] = session.get(_SEEN_KEY), now.isoformat()
    if after and seen_at:
        since = datetime.fromisoformat(seen_at)
        if case_id := find_more_urgent_case_id(current_user, filters, now, than=after, since=since):
            return case_id
    if case_id := find_next_case_id(current_user, filters, now, after=after):
        return case_id
    first_id = find_next_case_id(current_user, filters, now)
    if first_id in (None, after):
        return None
    flash(_("That was the last case of the queue. You are back at its top."), "info")
    return first_id


def _no_other(filters):
    if filters.as_args():
        return _("No other case is free to review under these filters.")
    return _("No other case is free to review.")


def read_filters(args):
    """QueueFilters of a query string; what is not on offer counts as not chosen."""
    return QueueFilters(
        status=_choice(args.get("status"), STATUS_GROUPS) or "waiting",
        tier=_choice(args.get("tier"), (*TIERS, FIRST_READ)),
        clinic_id=_choice(args.get("clinic", type=int), [clinic.id for clinic in current_user.clinics]),
        site=_choice(args.get("site"), SITES),
        text=args.get("q", "").strip()[:40],
    )


def _in_words(filters):
    """What is chosen beside the tier, as the page names it."""
    status = STATUS_WORDS[filters.status] if filters.status != "waiting" else None
    clinic = next((clinic.name for clinic in current_user.clinics if clinic.id == filters.clinic_id), None)
    site = explanations.site_name(filters.site) if filters.site else None
    return [str(words) for words in (status, clinic, site, filters.text) if words]


def _choice(value, offered):
    return value if value in offered else None
