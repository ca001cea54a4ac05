import uuid

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.case import Case


class Image(db.Model):
    """A cleaned photo; its bytes live here so that an upload exists whole or not at all."""

    __table_args__ = (
        UniqueConstraint("case_id", "kind"),
        CheckConstraint("kind IN ('dermoscopic', 'overview')", name="kind"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(12))
    width: Mapped[int]
    height: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))  # of content
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # JPEG without metadata
    thumbnail: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # JPEG, 288 px at the longer side
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    case: Mapped[Case] = relationship(back_populates="images")
