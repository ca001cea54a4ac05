"""What a clinician writes down."""

from flask_babel import lazy_gettext as _
from wtforms import HiddenField, IntegerField, RadioField, SelectField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional, StopValidation
from wtforms.widgets import HiddenInput

from portal import explanations
from portal.forms.base import NO_WHOLE_NUMBER, Form, at_most
from portal.models import DIAGNOSES, DISPOSITIONS, MONITOR_WEEKS_MAX

# A reason without words of its own would leave the health worker guessing.
RETAKE_REASONS = tuple(code for code in explanations.RETAKES if code != "other")


def _diagnoses():
    return [SelectChoice(code, explanations.diagnosis_name(code)) for code in DIAGNOSES]


def _needed_to_monitor(form, field):
    if form.disposition.data != "monitor":
        # Not asked for and out of sight, whatever was typed before: no error that nobody could find.
        field.errors = []
        raise StopValidation
    if not "".join(field.raw_data).strip():
        raise StopValidation(_("Say in how many weeks to look again."))
    if field.process_errors:
        raise StopValidation  # that it is no number is said


class FirstReadForm(Form):
    """Besides the impression, it carries what was already entered of the decision that follows."""

    diagnosis = RadioField(
        _("Your impression"), choices=_diagnoses, validators=[InputRequired(_("Choose what you see, or Unclear."))]
    )
    disposition = HiddenField()
    monitor_weeks = HiddenField()
    note = HiddenField()

    @property
    def carried(self):
        """The fields of the decision in which something was entered."""
        return [field for field in (self.disposition, self.monitor_weeks, self.note) if field.data]


class ReviewForm(Form):
    """``has_prediction``: the model's view was shown, so whether the clinician agrees belongs to the review."""

    expected_review_count = IntegerField(widget=HiddenInput(), validators=[InputRequired()])
    knows_retake = HiddenField()  # set where the page said that a new photo is asked for
    is_unread = HiddenField()  # set where the page that sends this showed no model's view
    diagnosis = RadioField(
        _("Your diagnosis"), choices=_diagnoses, validators=[InputRequired(_("Choose a diagnosis, or Unclear."))]
    )
    agrees = RadioField(
        _("Do you agree with the computer?"),
        choices=[SelectChoice("yes", _("Yes")), SelectChoice("no", _("No"))],
        validators=[InputRequired(_("Say whether you agree with the computer."))],
    )
    disposition = RadioField(
        _("What happens next"),
        choices=lambda: [SelectChoice(code, explanations.DISPOSITION_NAMES[code]) for code in DISPOSITIONS],
        validators=[InputRequired(_("Choose what happens next."))],
    )
    monitor_weeks = IntegerField(
        _("In how many weeks?"),
        invalid_value_message=NO_WHOLE_NUMBER,
        validators=[
            _needed_to_monitor,
            Optional(),
            NumberRange(1, MONITOR_WEEKS_MAX, _("Give a number of weeks from 1 to %(max)s.", max=MONITOR_WEEKS_MAX)),
        ],
    )
    note = TextAreaField(_("Note"), validators=[at_most(4000)])

    def __init__(self, *args, has_prediction, **kwargs):
        super().__init__(*args, **kwargs)
        if not has_prediction:
            del self.agrees

    def expect(self, case):
        """Show the form as a knowing addition to what was decided on ``case`` so far."""
        self.expected_review_count.data = case.review_count
        self.expected_review_count.raw_data = None
        self.knows_retake.data = "yes" if case.status == "retake" else ""

    def decision(self):
        """Keyword arguments of services.reviews.record_review."""
        is_monitored = self.disposition.data == "monitor"
        return {
            "expected_review_count": self.expected_review_count.data,
            "knows_retake": bool(self.knows_retake.data),
            "diagnosis": self.diagnosis.data,
            "agrees": self.agrees.data == "yes" if self.agrees else None,
            "disposition": self.disposition.data,
            "monitor_weeks": self.monitor_weeks.data if is_monitored else None,
            "note": (self.note.data or "").strip(),
        }


class RetakeForm(Form):
    reason = SelectField(
        _("What is wrong with it?"),
        choices=lambda: [SelectChoice(code, explanations.RETAKES[code]) for code in RETAKE_REASONS],
    )
