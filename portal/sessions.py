"""Login sessions: the cookie carries a random token, the table says whether it still opens anything."""

from flask import current_app, flash, jsonify, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_user, logout_user
from sqlalchemy.exc import OperationalError

from config import ConfigurationError
from portal.database import utc_now
from portal.extensions import db, login_manager
from portal.models import ROLES, LoginSession, User
from portal.models.login import hash_token
from portal.redirects import own_path
from portal.services import logins

ACTIVITY_INTERVAL_SECONDS = 60
SECOND_STEP_SECONDS = 600
_SECOND_STEP_KEY = "second_step"

# A page left open must not keep its session alive by itself.
PASSIVE_ENDPOINTS = {
    "cases.news",
    "cases.status",
    "queue.news",
    "static",
    "bootstrap.static",
    "health.alive",
    "health.ready",
}

# Open while somebody whose role needs two-factor login has not set it up.
SETUP_ENDPOINTS = PASSIVE_ENDPOINTS | {"account.two_factor", "account.language", "auth.logout"}


def init_app(app):
    if unknown := set(app.config["TWO_FACTOR_ROLES"]) - set(ROLES):
        raise ConfigurationError(f"TWO_FACTOR_ROLES names {', '.join(sorted(unknown))}; there are {', '.join(ROLES)}.")
    login_manager.session_protection = None  # phones change their address within a session
    login_manager.user_loader(load_user)
    login_manager.unauthorized_handler(ask_to_log_in)
    app.before_request(keep_alive)
    app.before_request(demand_two_factor)


def start(login_session):
    """Let this browser in; nothing that was in its cookie before the login survives."""
    session.clear()
    user = login_session.user
    user.login_session = login_session
    login_user(user)


def end():
    logout_user()
    session.clear()


def start_second_step(login_session):
    session.clear()
    session[_SECOND_STEP_KEY] = login_session.token


def find_second_step():
    """The LoginSession whose password was right and whose code is still to come, or None."""
    found = _find(session.get(_SECOND_STEP_KEY, ""), two_factor_passed=False)
    if found is None or (utc_now() - found.created_at).total_seconds() > SECOND_STEP_SECONDS:
        return None
    return found


def load_user(token):
    """The active user whose open, fresh enough session this token names, or None."""
    found = _find(token, two_factor_passed=True)
    if found is None:
        return None
    now = utc_now()
    if now - found.last_active_at > current_app.config["IDLE_TIMEOUT"]:
        return None
    if now - found.created_at > current_app.config["SESSION_LIFETIME"]:
        return None
    found.token = token
    found.user.login_session = found
    return found.user


def _find(token, *, two_factor_passed):
    return db.session.scalar(
        db.select(LoginSession)
        .join(LoginSession.user)
        .where(
            LoginSession.token_hash == hash_token(token),
            LoginSession.two_factor_passed.is_(two_factor_passed),
            LoginSession.ended_at.is_(None),
            User.is_active.is_(True),
        )
    )


def keep_alive():
    """Note that the person is there, at most once a minute, before the page's own work begins."""
    if request.endpoint is None or request.endpoint in PASSIVE_ENDPOINTS or not current_user.is_authenticated:
        return
    login_session = current_user.login_session
    if (utc_now() - login_session.last_active_at).total_seconds() < ACTIVITY_INTERVAL_SECONDS:
        return
    try:
        logins.note_activity(login_session=login_session)
    except OperationalError:  # a locked database still serves reads
        db.session.rollback()


def demand_two_factor():
    if request.endpoint is None or request.endpoint in SETUP_ENDPOINTS or not current_user.is_authenticated:
        return None
    if current_user.role in current_app.config["TWO_FACTOR_ROLES"] and not current_user.has_two_factor:
        return redirect(url_for("account.two_factor"))
    return None


def ask_to_log_in():
    """To the login and from there back to the page; whoever sent a form is told that it did nothing."""
    accepted = request.accept_mimetypes
    asks_in_background = request.form.get("then") == "stay"
    if asks_in_background or (accepted.accept_json and not accepted.accept_html):
        return jsonify(error="login ended"), 401
    if request.endpoint == "auth.logout":
        return redirect(url_for("auth.login"))
    if request.method == "POST":
        # Only the page itself knows whether the browser could keep what was typed: without its script, nothing is.
        if request.form.get("is_kept"):
            flash(_("You were logged out, and nothing was recorded. Your answers are kept: log in again."), "warning")
        else:
            flash(_("You were logged out, and nothing was recorded. Log in and do it again."), "warning")
        return redirect(url_for("auth.login", next=_page_before()))
    came_from = request.full_path.rstrip("?") if request.path != "/" else None
    return redirect(url_for("auth.login", next=came_from))


def _page_before():
    """Path of the page of this portal that sent the form, or None."""
    path, question_mark, query = (request.referrer or "").removeprefix(request.host_url.rstrip("/")).partition("?")
    routes = current_app.create_url_adapter(request)
    if routes.test(path, "GET"):
        return own_path(path + question_mark + query)
    above = path.rpartition("/")[0]  # a form that was refused once is shown beneath the page it was on
    return own_path(above) if routes.test(above, "GET") else None
