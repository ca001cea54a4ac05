"""How times, numbers and codes read on a page; each function is also a template filter of its name."""

from datetime import timedelta

from flask_babel import format_date, format_datetime, format_decimal, format_percent, ngettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal import explanations
from portal.database import utc_now

STATUS_NAMES = {
    "queued": _l("Waiting"),
    "running": _l("Being read"),
    "classified": _l("Waits for a clinician"),
    "reviewed": _l("Reviewed"),
    "failed": _l("Not read"),
    "retake": _l("New photo needed"),
}

ROLE_NAMES = {
    "health_worker": _l("Health worker"),
    "clinician": _l("Clinician"),
    "admin": _l("Administrator"),
}

SKIN_TYPES = {1: "I", 2: "II", 3: "III", 4: "IV", 5: "V", 6: "VI"}  # Fitzpatrick's numbering

# The first that a browser's own description contains: later ones are named in those of earlier ones too.
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox"}
_BROWSERS |= {"CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari"}
_SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "Mac"}
_SYSTEMS |= {"CrOS": "Chromebook", "Linux": "Linux"}

_NOTHING = "–"
_DAY_SECONDS = 86_400


def time_ago(at):
    """How long ago: "12 min", "2 h", "3 days" since an aware datetime; the date itself after four weeks."""
    seconds = max(0, (utc_now() - at).total_seconds())
    if seconds < 60:
        return _("just now")
    if seconds < 3600:
        return _("%(n)s min", n=int(seconds // 60))
    if seconds < _DAY_SECONDS:
        return _("%(n)s h", n=int(seconds // 3600))
    days = int(seconds // _DAY_SECONDS)
    if days < 28:
        return ngettext("%(num)d day", "%(num)d days", days)
    return local_date(at)


def since(at):
    """The same inside a sentence: "just now", "12 min ago", "3 Nov 2026"."""
    age = utc_now() - at
    if age < timedelta(minutes=1) or age >= timedelta(days=28):
        return time_ago(at)
    return _("%(time)s ago", time=time_ago(at))


def local_date(at):
    """The date in TIME_ZONE as this language writes it: "3 Nov 2026"."""
    return format_date(at, "d MMM y")


def local_time(at):
    """Date and time in TIME_ZONE, which is named: "3 Nov 2026, 14:05 UTC"."""
    return format_datetime(at, "d MMM y, HH:mm z")


def percent(share):
    """0.624 as "62%", as the language writes it; never 0 or 100 for what is only close to it."""
    if 0 < share < 0.005:
        return "<\u00a0" + format_percent(0.01)
    if 0.995 <= share < 1:
        return ">\u00a0" + format_percent(0.99)
    return format_percent(round(share, 2))


def exact_percent(share):
    """0.9662 as "96.6%", as the language writes it."""
    return format_percent(share, "#,##0.0%")


def three_digits(value):
    """0.9674 as "0.967", as the language writes it."""
    return format_decimal(value, "0.000")


def file_size(size_bytes):
    """2_411_724 as "2.3 MB"."""
    return f"{size_bytes / 1024:.0f} KB" if size_bytes < 1024 * 1024 else f"{size_bytes / 1024 / 1024:.1f} MB"


def device_name(user_agent):
    """What a browser says of itself as "Chrome, Android"; its own words when they are unknown."""
    found = [
        next((name for mark, name in names.items() if mark in (user_agent or "")), None)
        for names in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, found)) or user_agent or _("Unknown device")


def class_name(code, voice="clinician"):
    return _name(explanations.CLASS_NAMES[voice], code)


def diagnosis_name(code):
    """A class, or what a clinician wrote down instead of one."""
    return explanations.diagnosis_name(code) if code else _NOTHING


def site_name(code):
    return _name(explanations.SITE_NAMES, code)


def tier_name(code):
    return _name(explanations.TIER_NAMES, code)


def status_name(code):
    return _name(STATUS_NAMES, code)


def disposition_name(code):
    return _name(explanations.DISPOSITION_NAMES, code)


def retake_text(code):
    """What to change about the photo that a clinician asked for again."""
    return str(explanations.RETAKES.get(code, explanations.RETAKES["other"]))


def failure_text(code):
    """Why a case was not read."""
    return str(explanations.FAILURES.get(code, explanations.FAILURES["model_error"]))


def role_name(code):
    return _name(ROLE_NAMES, code)


def sex_name(code):
    return _name(explanations.SEX_NAMES, code) if code else _("Other or not said")


def skin_type(number):
    """Fitzpatrick's Roman numeral, or a dash when nobody noted it."""
    return SKIN_TYPES.get(number, _NOTHING)


def _name(names, code):
    return str(names[code]) if code else _NOTHING


FILTERS = (
    time_ago,
    since,
    local_date,
    local_time,
    percent,
    exact_percent,
    three_digits,
    file_size,
    device_name,
    explanations.about_in_hundred,
    class_name,
    diagnosis_name,
    site_name,
    explanations.place_name,
    tier_name,
    status_name,
    disposition_name,
    explanations.reason_text,
    retake_text,
    failure_text,
    role_name,
    sex_name,
    skin_type,
)


def init_app(app):
    for function in FILTERS:
        app.add_template_filter(function)
