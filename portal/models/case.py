import uuid
from dataclasses import asdict

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.clinic import Clinic
from portal.models.lesion import Lesion
from portal.models.user import User

STATUSES = ("queued", "running", "classified", "reviewed", "failed", "retake")
BEING_READ = ("queued", "running")  # the model has not answered yet

# Most pressing first; tier_rank is the position, so the queue sorts by it.
TIERS = ("urgent", "soon", "cannot_assess", "routine")

# The weighted 7-point checklist: majors count 2, minors 1; 3 or more is suspicious.
# Source: F. M. Walter et al., Br J Gen Pract 63 (2013) e345, after R. MacKie 1990.
CHECKLIST_MAJOR = ("change_in_size", "irregular_shape", "irregular_colour")
CHECKLIST_MINOR = ("seven_mm_or_more", "inflammation", "oozing", "change_in_sensation")
CHECKLIST = CHECKLIST_MAJOR + CHECKLIST_MINOR


class Case(db.Model):
    """One visit of one lesion: photos, answers, the model's view, the clinician's decision."""

    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint(f"tier IN {TIERS}", name="tier"),
        CheckConstraint("status != 'classified' OR prediction_id IS NOT NULL", name="classified_has_prediction"),
        CheckConstraint("status != 'reviewed' OR review_count > 0", name="reviewed_has_review"),
        Index("ix_case_queue", "status", "tier_rank", "submitted_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    # Made with the form, so that a form sent twice makes one case.
    submission_key: Mapped[str] = mapped_column(String(64), unique=True)
    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"), index=True)
    lesion_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lesion.id"), index=True)
    submitted_by_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    submitted_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    age_years: Mapped[int | None]  # at submission, by the birth year noted today
    # Age, sex and skin type that it was read and decided with, where the patient's were corrected since.
    facts_then: Mapped[dict | None] = mapped_column(db.JSON(none_as_null=True))
    checklist: Mapped[list] = mapped_column(db.JSON, default=list)  # the CHECKLIST items answered yes
    checklist_score: Mapped[int] = mapped_column(default=0)
    is_worried: Mapped[bool] = mapped_column(default=False)
    comment: Mapped[str] = mapped_column(String(1000), default="")
    consent_at = mapped_column(UtcDateTime, nullable=False)
    photo_quality: Mapped[dict] = mapped_column(db.JSON, default=dict)  # portal.quality.measure_quality of the photo
    # The case whose photo was asked again. A request ends with any newer photo of the spot; this names the newest one.
    replaces_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("case.id", deferrable=True, initially="IMMEDIATE"), unique=True
    )

    status: Mapped[str] = mapped_column(String(12), default="queued")
    status_changed_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    attempts: Mapped[int] = mapped_column(default=0)
    # Of the worker that may write its result. Its attempt's number is no such sign: a retry begins to count anew.
    claim_key: Mapped[str | None] = mapped_column(String(32))
    lease_expires_at = mapped_column(UtcDateTime)
    ring_at = mapped_column(UtcDateTime, default=utc_now)  # when the sweeper next rings for it
    failure_reason: Mapped[str | None] = mapped_column(String(40))  # a key of portal.explanations.FAILURES
    retake_reason: Mapped[str | None] = mapped_column(String(40))  # a key of portal.explanations.RETAKES

    tier: Mapped[str | None] = mapped_column(String(14))
    tier_rank: Mapped[int] = mapped_column(default=len(TIERS))
    tier_reasons: Mapped[list] = mapped_column(db.JSON, default=list)  # portal.triage.Reason as dicts
    prediction_id: Mapped[int | None] = mapped_column(
        # Deferrable, so that a restore may write the two tables that point at each other.
        ForeignKey(
            "prediction.id",
            use_alter=True,
            name="fk_case_prediction_id_prediction",
            deferrable=True,
            initially="IMMEDIATE",
        ),
        index=True,
    )

    taken_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    taken_until = mapped_column(UtcDateTime)
    review_count: Mapped[int] = mapped_column(default=0)
    # How many of the reviews the patient was told, or that asked for no act; a new one is news by itself.
    seen_review_count: Mapped[int] = mapped_column(default=0, server_default="0")
    told_at = mapped_column(UtcDateTime)  # when somebody last noted that they told the patient
    told_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    clinic: Mapped[Clinic] = relationship()
    lesion: Mapped[Lesion] = relationship(back_populates="cases")
    submitted_by: Mapped[User] = relationship(foreign_keys=submitted_by_id)
    taken_by: Mapped[User | None] = relationship(foreign_keys=taken_by_id)
    told_by: Mapped[User | None] = relationship(foreign_keys=told_by_id)
    replaces: Mapped["Case | None"] = relationship(remote_side=id)
    images: Mapped[list["Image"]] = relationship(back_populates="case", order_by="Image.kind")  # noqa: F821
    # What the tier rests on; earlier ones stay in the table.
    prediction: Mapped["Prediction | None"] = relationship(foreign_keys=prediction_id, post_update=True)  # noqa: F821
    reviews: Mapped[list["Review"]] = relationship(back_populates="case", order_by="Review.number")  # noqa: F821
    first_reads: Mapped[list["FirstRead"]] = relationship(back_populates="case")  # noqa: F821

    @property
    def patient(self):
        return self.lesion.patient

    @property
    def dermoscopic_image(self):
        return next((image for image in self.images if image.kind == "dermoscopic"), None)

    @property
    def overview_image(self):
        return next((image for image in self.images if image.kind == "overview"), None)

    @property
    def latest_review(self):
        return self.reviews[-1] if self.reviews else None

    @property
    def is_untold(self):
        """The patient waits to hear a decision that asks for an act, or that may take one back.

        Somebody may have told the one before without noting it.
        """
        if self.seen_review_count == self.review_count or self.patient.anonymised_at:
            return False
        if self.latest_review.disposition == "monitor" and self.lesion.cases[-1] is not self:
            return False  # the spot was photographed again
        since_told = self.reviews[max(0, self.seen_review_count - 1) :]
        return {review.disposition for review in since_told} != {"no_action"}

    @property
    def is_all_told(self):
        """Nothing that asks for an act was decided since the patient was last told."""
        unseen = self.reviews[self.seen_review_count :]
        return not self.is_untold and all(review.disposition == "no_action" for review in unseen)

    @property
    def is_told(self):
        """Somebody noted that the patient was told what is decided now; of no act there is nothing to tell."""
        return self.told_at is not None and self.is_all_told

    @property
    def is_being_read(self):
        return self.status in BEING_READ

    @property
    def facts(self):
        """What is known of the patient today and counts in reading the photo."""
        return {"age": self.age_years, "sex": self.patient.sex, "skin_type": self.patient.skin_type}

    @property
    def corrected_facts(self):
        """``facts`` as they were when it was read and decided, where they are noted otherwise today; else None."""
        return self.facts_then if self.facts_then != self.facts else None

    @property
    def age_when_read(self):
        return self.facts_then["age"] if self.facts_then else self.age_years

    def is_taken(self, now):
        return self.taken_by_id is not None and self.taken_until is not None and self.taken_until > now

    def release(self):
        self.taken_by_id = None
        self.taken_until = None

    def change_status(self, status, *, ring_at=None):
        """Enter ``status``; no worker's lease outlives the change."""
        self.status = status
        self.status_changed_at = utc_now()
        self.lease_expires_at = None
        self.ring_at = ring_at

    def set_triage(self, decided):
        """Take over a portal.triage.Triage."""
        self.tier = decided.tier
        self.tier_rank = decided.rank
        self.tier_reasons = [asdict(reason) for reason in decided.reasons]
