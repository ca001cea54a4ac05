"""Log in, the second step, log out, and the one-time link that sets a password."""

from flask import Blueprint, current_app, flash, redirect, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_login import current_user, login_required

from portal import sessions
from portal.errors import DomainError
from portal.forms.answers import render_form
from portal.forms.auth import CodeForm, LoginForm, NewPasswordForm
from portal.redirects import own_path
from portal.services import accounts, logins

blueprint = Blueprint("auth", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
def login():
    if current_user.is_authenticated:
        return redirect(url_for("home.index"))
    form = LoginForm()
    if not form.validate_on_submit():
        return render_form("auth/login.html", form)
    try:
        login_session = logins.log_in(
            email=form.email.data,
            password=form.password.data,
            address=request.remote_addr,
            user_agent=request.user_agent.string,
        )
    except DomainError as error:
        return _refuse("auth/login.html", form, error)
    if login_session.two_factor_passed:
        return _let_in(login_session)
    sessions.start_second_step(login_session)
    return redirect(url_for(".two_factor", next=own_path(request.args.get("next"))))


@blueprint.route("/login/code", methods=["GET", "POST"])
def two_factor():
    login_session = sessions.find_second_step()
    if login_session is None:
        return redirect(url_for(".login"))
    form = CodeForm()
    if not form.validate_on_submit():
        return render_form("auth/two_factor.html", form)
    try:
        logins.pass_second_step(login_session=login_session, code=form.code.data, address=request.remote_addr)
    except DomainError as error:
        return _refuse("auth/two_factor.html", form, error)
    return _let_in(login_session)


@blueprint.post("/logout")
@login_required
def logout():
    logins.log_out(login_session=current_user.login_session)
    sessions.end()
    response = redirect(url_for(".login"))
    response.headers["Clear-Site-Data"] = '"storage"'  # drafts of a case stay on no shared phone
    return response


@blueprint.route("/reset/<token>", methods=["GET", "POST"])
def reset(token):
    user = accounts.find_reset_user(token)
    if user is None:
        flash(_("This link was used or is too old. Ask an administrator for a new one."), "error")
        return redirect(url_for(".login"))
    form = NewPasswordForm()
    if not form.validate_on_submit():
        return render_form("auth/reset.html", form, email=user.email)
    try:
        accounts.use_reset_link(token=token, password=form.password.data, language=str(get_locale()))
    except DomainError as error:
        return render_form("auth/reset.html", form, error, email=user.email)
    flash(_("Your new password is set. Log in with it."), "success")
    return redirect(url_for(".login"))


def _let_in(login_session):
    target = own_path(request.args.get("next")) or url_for("home.index")
    sessions.start(login_session)
    return redirect(target)


def _refuse(template, form, error):
    page, status_code = render_form(template, form, error)
    wait_seconds = int(current_app.config["LOGIN_WINDOW"].total_seconds())
    return page, status_code, {"Retry-After": str(wait_seconds)} if status_code == 429 else {}
