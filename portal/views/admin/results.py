"""Results: figures of a period, the newest cases, and all of them as CSV."""

from flask import Response, render_template, request, url_for

from portal.charts import chart_by_time
from portal.database import utc_now
from portal.queries import results as queries
from portal.services.exports import export_results
from portal.services.viewing import record_list


def show_results():
    filters = queries.ResultFilters.from_args(request.args)
    asked = {name: request.args.get(name) or None for name in ("from", "to", "clinic", "status")}
    cases = queries.find_latest_results(filters)
    page = render_template(
        "admin/results.html",
        asked=asked,
        clinics=queries.find_clinics(),
        clinic_id=filters.clinic_id,
        row_count=queries.count_results(filters),
        cases=cases,
        by_time=chart_by_time(queries.count_by_day(filters)),
        by_tier=queries.count_by_tier(filters),
        export_url=url_for(".export", **asked),
    )
    record_list(action="results.view", cases=cases)
    return page


def export():
    opened = export_results(filters=queries.ResultFilters.from_args(request.args))
    response = Response(opened.lines(), mimetype="text/csv")
    response.call_on_close(opened.close)
    name = f"results-{utc_now():%Y%m%d-%H%M}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Row-Count"] = str(opened.row_count)
    return response
