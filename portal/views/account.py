"""One's own account: password, language, two-factor login, open sessions."""

import segno
from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required
from pyotp import TOTP

from portal import sessions
from portal.errors import DomainError
from portal.forms.answers import render_form
from portal.forms.auth import ChangePasswordForm, CodeForm, RemoveTwoFactorForm
from portal.queries import accounts as queries
from portal.redirects import own_path
from portal.services import accounts, logins
from portal.services import two_factor as two_factor_service

blueprint = Blueprint("account", __name__)

LANGUAGE_COOKIE_SECONDS = 365 * 24 * 3600


@blueprint.get("/account")
@login_required
def show():
    return _account_page(ChangePasswordForm())


@blueprint.post("/account/password")
@login_required
def password():
    form = ChangePasswordForm()
    if not form.validate_on_submit():
        return _account_page(form)
    user = current_user._get_current_object()
    try:
        accounts.change_password(
            user=user,
            current_password=form.current_password.data,
            password=form.password.data,
            address=request.remote_addr,
        )
    except DomainError as error:
        return _account_page(form, error)
    sessions.start(logins.open_session(user=user, address=request.remote_addr, user_agent=request.user_agent.string))
    flash(_("Your new password is set. All your other devices are logged out."), "success")
    return redirect(url_for(".show"))


@blueprint.post("/account/sessions/<int:session_id>/end")
@login_required
def end_session(session_id):
    logins.end_session(user=current_user._get_current_object(), session_id=session_id)
    return redirect(url_for(".show"))


@blueprint.post("/account/sessions/end-others")
@login_required
def end_other_sessions():
    logins.end_other_sessions(login_session=current_user.login_session)
    flash(_("All your other devices are logged out."), "success")
    return redirect(url_for(".show"))


@blueprint.post("/account/language")
def language():
    chosen = request.form.get("language")
    if chosen not in current_app.config["LANGUAGES"]:
        abort(400)
    if current_user.is_authenticated:
        accounts.set_language(user=current_user, language=chosen)
    response = redirect(own_path(request.form.get("next")) or url_for("home.index"))
    response.set_cookie(
        "language",
        chosen,
        max_age=LANGUAGE_COOKIE_SECONDS,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )
    return response


@blueprint.route("/account/two-factor", methods=["GET", "POST"])
@login_required
def two_factor():
    user = current_user._get_current_object()
    if user.has_two_factor:
        return _removal_page(RemoveTwoFactorForm())
    form = CodeForm()
    if not form.validate_on_submit():
        return _setup_page(form)
    try:
        codes = two_factor_service.confirm_two_factor(user=user, code=form.code.data)
    except DomainError as error:
        return _setup_page(form, error)
    return render_template("account/recovery_codes.html", codes=codes)


@blueprint.post("/account/two-factor/remove")
@login_required
def remove_two_factor():
    if not current_user.has_two_factor:
        return redirect(url_for(".two_factor"))
    form = RemoveTwoFactorForm()
    if not form.validate_on_submit():
        return _removal_page(form)
    try:
        two_factor_service.remove_two_factor(
            user=current_user._get_current_object(),
            password=form.password.data,
            code=form.code.data,
            address=request.remote_addr,
        )
    except DomainError as error:
        return _removal_page(form, error)
    flash(_("The second step is off."), "success")
    return redirect(url_for(".show"))


def _account_page(form, error=None):
    return render_form(
        "account/show.html",
        form,
        error,
        user=current_user,
        password_form=form,
        sessions=queries.find_open_sessions(current_user),
    )


def _setup_page(form, error=None):
    secret = two_factor_service.begin_two_factor(user=current_user._get_current_object())
    uri = TOTP(secret).provisioning_uri(name=current_user.email, issuer_name=current_app.config["PRODUCT_NAME"])
    return render_form(
        "account/two_factor.html",
        form,
        error,
        user=current_user,
        is_required=_must_have_two_factor(),
        setup_form=form,
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        qr_uri=segno.make(uri, micro=False).svg_data_uri(scale=5, border=4),
    )


def _removal_page(form, error=None):
    return render_form(
        "account/two_factor.html",
        form,
        error,
        user=current_user,
        is_required=_must_have_two_factor(),
        remove_form=form,
        recovery_codes_left=len(current_user.recovery_code_hashes),
    )


def _must_have_two_factor():
    return current_user.role in current_app.config["TWO_FACTOR_ROLES"]
