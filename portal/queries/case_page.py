"""Everything the page of one case shows."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from flask import current_app
from sqlalchemy.orm import joinedload, selectinload

from ml.labels import CLASSES
from portal.extensions import db
from portal.models import Case, FirstRead, Image, Lesion, Review, User
from portal.permissions import in_clinics_of
from portal.queries.first_reads import cases_to_read_first, shown_reasons, shown_tier


@dataclass(frozen=True)
class Visit:
    """One case of a lesion, as the filmstrip and the history show it."""

    case: Case
    user: User
    is_silent: bool  # the model's view is not shown before the first read

    @property
    def image(self):
        return self.case.dermoscopic_image

    @property
    def tier(self):
        return shown_tier(self.case, self.is_silent)

    @property
    def prediction(self):
        return None if self.is_silent else self.case.prediction

    @property
    def review(self):
        return self.case.latest_review

    @property
    def reasons(self):
        return shown_reasons(self.case, self.is_silent)

    @property
    def voice(self):
        """Of the explanation: a health worker tells the patient."""
        return "patient" if self.user.role == "health_worker" else "clinician"

    @property
    def is_refused(self):
        """A clinician cannot judge the photo: to the health worker the model's view of it counts no more."""
        return self.case.status == "retake" and self.voice == "patient"

    @property
    def is_in_doubt(self):
        """Some voice says that the model cannot judge this photo, whatever the tier became."""
        return any(reason["tier"] == "cannot_assess" for reason in self.reasons)

    @property
    def told_tier(self):
        """Of a refused photo, what calls for haste stays; what comforts does not."""
        return None if self.is_refused and self.tier == "routine" else self.tier

    @property
    def told_prediction(self):
        """The model's view where its class and its numbers may be shown.

        To a health worker they would comfort or frighten without ground where the photo cannot be judged.
        """
        is_groundless = self.is_refused or (self.is_in_doubt and self.voice == "patient")
        return None if is_groundless else self.prediction


@dataclass(frozen=True)
class CasePage(Visit):
    visits: list[Visit]  # of the same lesion, this one among them, the earliest first
    now: object

    @property
    def is_clinician(self):
        return self.user.role == "clinician"

    @cached_property
    def classes(self):
        """(code, probability) of the seven, the most probable first; none while the model is silent."""
        if self.prediction is None:
            return []
        probabilities = self.prediction.probabilities
        return sorted(((code, probabilities[code]) for code in CLASSES), key=lambda pair: -pair[1])

    @property
    def first_read(self):
        """This clinician's own impression, or None."""
        return next((read for read in self.case.first_reads if read.reader_id == self.user.id), None)

    @property
    def own_review_number(self):
        """Of this person's last decision; 0 where they made none."""
        return max((review.number for review in self.case.reviews if review.reviewer_id == self.user.id), default=0)

    @property
    def first_reads(self):
        """All impressions; hidden from a clinician without an own one, and from the others until the decision."""
        is_early = not self.is_clinician and self.review is None
        return [] if self.is_silent or is_early else self.case.first_reads

    @property
    def is_taken_by_me(self):
        return self.case.is_taken(self.now) and self.case.taken_by_id == self.user.id

    @property
    def is_taken_by_another(self):
        return self.case.is_taken(self.now) and self.case.taken_by_id != self.user.id

    @property
    def taken_at(self):
        return self.case.taken_until - timedelta(minutes=current_app.config["TAKEN_MINUTES"])

    @property
    def is_judged(self):
        """There is something to explain: the model's view, or that it could not judge."""
        return (self.prediction is not None or self.case.status == "failed") and not self.is_refused

    @property
    def is_open_to_review(self):
        return self.is_clinician and not self.is_silent

    @property
    def can_be_taken(self):
        return self.is_clinician and self.case.status not in ("reviewed", "retake")

    @property
    def is_read_late(self):
        """The model's view came after the decision, which nobody based on it."""
        return self.prediction is not None and self.review is not None and self.review.prediction_id is None

    @property
    def other_visits(self):
        return [visit for visit in self.visits if visit.case.id != self.case.id]

    @property
    def replacement(self):
        """The newest visit, when it is not this one, else None; with it a request for a new photo ends."""
        return self.visits[-1] if self.visits[-1].case.id != self.case.id else None


# What one visit in a row of visits needs; photos and maps stay in the database.
VISIT_OPTIONS = (
    selectinload(Case.images).load_only(Image.id, Image.kind, Image.case_id, Image.width, Image.height),
    joinedload(Case.prediction),
    selectinload(Case.reviews).options(joinedload(Review.reviewer), joinedload(Review.prediction)),
)


def case_page(case, user, now):
    """The CasePage of a case this user may see; ``now`` decides who has it."""
    statement = (
        db.select(Case)
        .where(Case.lesion_id == case.lesion_id, in_clinics_of(user, Case.clinic_id))
        .order_by(Case.submitted_at, Case.id)
        .options(
            *VISIT_OPTIONS,
            joinedload(Case.lesion).joinedload(Lesion.patient),
            joinedload(Case.clinic),
            joinedload(Case.submitted_by),
            joinedload(Case.taken_by),
            joinedload(Case.told_by),
            selectinload(Case.first_reads).joinedload(FirstRead.reader),
        )
    )
    cases = db.session.scalars(statement).all()
    silent_ids = cases_to_read_first(cases, user)
    visits = [Visit(visit, user, visit.id in silent_ids) for visit in cases]
    return CasePage(case, user, case.id in silent_ids, visits, now)
