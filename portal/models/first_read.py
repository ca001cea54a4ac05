import uuid

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.case import Case
from portal.models.user import User


class FirstRead(db.Model):
    """A clinician's impression, written down before the model's view was shown."""

    __table_args__ = (UniqueConstraint("case_id", "reader_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"))
    reader_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    diagnosis: Mapped[str] = mapped_column(String(20))  # one of CLASSES, or "other" or "unclear"
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    case: Mapped[Case] = relationship(back_populates="first_reads")
    reader: Mapped[User] = relationship()
