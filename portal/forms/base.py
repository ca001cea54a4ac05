"""What every form of the portal does."""

from flask import abort, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from werkzeug.datastructures import CombinedMultiDict
from wtforms import SelectField, StringField
from wtforms.validators import Length

# WTForms' own words come in no Hindi.
NO_WHOLE_NUMBER = _l("Enter a whole number.")
NOT_A_CHOICE = _l("Choose one of the listed answers.")


def at_most(count):
    return Length(max=count, message=_l("At most %(max)s characters."))


class Form(FlaskForm):
    class Meta(FlaskForm.Meta):
        def wrap_formdata(self, form, formdata):
            """What a page's form sends: text, and files where files belong. Never JSON, where a field is anything."""
            if formdata is None or not form.is_submitted():
                return None
            if request.is_json or not all(isinstance(form._fields.get(name), FileField) for name in request.files):
                abort(400)
            return CombinedMultiDict((request.files, request.form))

        def bind_field(self, form, unbound_field, options):
            field = super().bind_field(form, unbound_field, options)
            if isinstance(field, StringField):  # and so all that is typed or carried hidden
                field.filters = (refuse_nul, *field.filters)
            if isinstance(field, SelectField):  # and so every field with choices
                field.invalid_choice_message = field.invalid_value_message = NOT_A_CHOICE
            return field


def refuse_nul(text):
    """SQLite keeps a NUL character, PostgreSQL does not: one of them, and no backup could move from here to there."""
    if text and "\0" in text:
        raise ValueError(_("There is a hidden character in this text. Delete the text and type it again."))
    return text
