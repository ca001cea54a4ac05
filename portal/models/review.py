import uuid
from datetime import timedelta

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint, cast, extract, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ml.labels import CLASSES
from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.case import Case
from portal.models.prediction import Prediction
from portal.models.user import User

DIAGNOSES = (*CLASSES, "other", "unclear")
DISPOSITIONS = ("urgent_referral", "routine_referral", "biopsy", "treat", "monitor", "no_action")
MONITOR_WEEKS_MAX = 104
_WEEK_SECONDS = 7 * 86_400


class Review(db.Model):
    """A clinician's decision; a later one is added, none is changed."""

    __table_args__ = (
        UniqueConstraint("case_id", "number"),
        CheckConstraint(f"disposition IN {DISPOSITIONS}", name="disposition"),
        CheckConstraint("disposition != 'monitor' OR monitor_weeks IS NOT NULL", name="monitor_weeks"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"))
    number: Mapped[int]  # 1, 2, ... within the case
    reviewer_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    # What was shown at the time.
    prediction_id: Mapped[int | None] = mapped_column(ForeignKey("prediction.id"), index=True)
    diagnosis: Mapped[str] = mapped_column(String(20))  # one of DIAGNOSES
    agrees: Mapped[bool | None]  # with the model; None without a model's view
    disposition: Mapped[str] = mapped_column(String(20))
    monitor_weeks: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(4000), default="")
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    case: Mapped[Case] = relationship(back_populates="reviews")
    reviewer: Mapped[User] = relationship()
    prediction: Mapped[Prediction | None] = relationship()

    @property
    def due_at(self):
        """When to look at the spot again, or None where the decision asks for no other look."""
        return self.created_at + timedelta(weeks=self.monitor_weeks) if self.monitor_weeks else None


# Review.due_at in SQL, and created_at where it is None. Seconds since 1970, which both databases can add to: an
# interval from a column each would write in words of its own.
due_seconds = (
    cast(extract("epoch", Review.created_at), BigInteger) + func.coalesce(Review.monitor_weeks, 0) * _WEEK_SECONDS
)
