"""What people type to log in and to look after their account."""

from flask_babel import lazy_gettext as _
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import InputRequired

from portal.forms.base import Form, at_most
from portal.passwords import MAX_LENGTH, MIN_LENGTH

_CURRENT = {"autocomplete": "current-password"}
_NEW = {"autocomplete": "new-password", "minlength": MIN_LENGTH}
_ONE_TIME = {
    "autocomplete": "one-time-code",
    "inputmode": "text",
    "spellcheck": "false",
    "autocapitalize": "characters",
}


def _required(message):
    return InputRequired(message=message)


class LoginForm(Form):
    email = EmailField(
        _("Email"),
        validators=[_required(_("Enter your email.")), at_most(254)],
        render_kw={"autocomplete": "username", "autofocus": True},
    )
    password = PasswordField(
        _("Password"), validators=[_required(_("Enter your password.")), at_most(MAX_LENGTH)], render_kw=_CURRENT
    )


class CodeForm(Form):
    code = StringField(_("Code"), validators=[_required(_("Enter the code.")), at_most(40)], render_kw=_ONE_TIME)


class NewPasswordForm(Form):
    password = PasswordField(_("New password"), validators=[_required(_("Enter a new password."))], render_kw=_NEW)


class ChangePasswordForm(Form):
    current_password = PasswordField(
        _("Present password"), validators=[_required(_("Enter your present password."))], render_kw=_CURRENT
    )
    password = PasswordField(_("New password"), validators=[_required(_("Enter a new password."))], render_kw=_NEW)


class RemoveTwoFactorForm(CodeForm):
    password = PasswordField(_("Password"), validators=[_required(_("Enter your password."))], render_kw=_CURRENT)
