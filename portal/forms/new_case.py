"""What a health worker fills in for one photo of one lesion."""

import secrets

from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    FloatField,
    HiddenField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    TextAreaField,
)
from wtforms.validators import AnyOf, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import HiddenInput

from ml.labels import SITES
from portal.explanations import CHECKLIST_NAMES, SITE_NAMES
from portal.forms.base import NOT_A_CHOICE
from portal.forms.patient import PatientForm
from portal.models import CHECKLIST


def _nothing_to_none(value):
    return value or None


class NewCaseForm(PatientForm):
    """Fields carry the names of ``services.cases.submit_case`` and of its errors.

    ``patient`` and ``lesion`` are the known rows that were chosen, or None: then their fields must be filled in.
    ``replaces`` is the case whose photo was asked for again; its answers are offered once more.
    """

    submission_key = HiddenField(validators=[Length(min=16, max=64)])

    # Absent where a known lesion is photographed again, hence checked below.
    body_site = SelectField(
        _("Place on the body"),
        choices=[SelectChoice("", _("Choose …")), *(SelectChoice(site, SITE_NAMES[site]) for site in SITES)],
        validate_choice=False,
    )
    body_view = HiddenField(
        filters=[_nothing_to_none], validators=[Optional(), AnyOf(("front", "back"), message=NOT_A_CHOICE)]
    )
    map_x = FloatField(widget=HiddenInput(), validators=[Optional(), NumberRange(0, 1)])
    map_y = FloatField(widget=HiddenInput(), validators=[Optional(), NumberRange(0, 1)])

    checklist = SelectMultipleField(
        _("What has changed?"), choices=[SelectChoice(item, CHECKLIST_NAMES[item]) for item in CHECKLIST]
    )
    is_worried = BooleanField(_("I am worried about this spot"))
    comment = TextAreaField(
        _("Anything else the clinician should know?"),
        validators=[Length(max=1000, message=_("At most 1,000 characters."))],
        filters=[lambda text: (text or "").strip()],
    )

    dermoscopic = FileField(_("Photo of the spot"))
    overview = FileField(_("Photo from further away"))
    consent = BooleanField(_("The patient agrees: the photo is kept, and a computer and a clinician look at it."))

    def __init__(self, *, patient=None, lesion=None, replaces=None):
        answers = ("checklist", "is_worried", "comment")
        super().__init__(data={name: getattr(replaces, name) for name in answers} if replaces else None)
        self.patient = patient
        self.lesion = lesion
        self.reference.flags.required = patient is None
        self.body_site.flags.required = lesion is None
        if not self.submission_key.data:
            self.renew_key()

    def renew_key(self):
        """What is sent from here on is another case."""
        self.submission_key.data = secrets.token_urlsafe(24)

    def validate_reference(self, field):
        if self.patient is None and not field.data:
            raise ValidationError(_("Choose a patient, or enter the reference your clinic uses for this one."))

    def validate_body_site(self, field):
        if self.lesion is None and field.data not in SITES:
            raise ValidationError(_("Tap the place on the picture, or choose it from the list."))

    def validate_dermoscopic(self, field):
        if not field.data:
            raise ValidationError(_("Take or attach a photo of the spot."))

    def validate_consent(self, field):
        if not field.data:
            raise ValidationError(_("Ask the patient. Without their consent nothing can be sent."))

    def case_values(self):
        """Keyword arguments of ``submit_case``: all but the submitter and what is replaced."""
        return {
            "submission_key": self.submission_key.data,
            "patient": self.patient or self.patient_values(),
            "lesion": self.lesion or self._new_lesion(),
            "checklist": self.checklist.data,
            "is_worried": self.is_worried.data,
            "comment": self.comment.data,
            "consent": self.consent.data,
            "dermoscopic": self.dermoscopic.data.read(),
            "overview": self.overview.data.read() if self.overview.data else None,
        }

    def _new_lesion(self):
        return {field.name: field.data for field in (self.body_site, self.body_view, self.map_x, self.map_y)}

    def add_error(self, error):
        """Put a DomainError at the field it names, or above the form."""
        field = self._fields.get(error.field)
        (field.errors if field else self.form_errors).append(error.message)

    def all_errors(self):
        """Field name -> list of str; the key "" holds what belongs to no field."""
        return {name or "": [str(message) for message in messages] for name, messages in self.errors.items()}
