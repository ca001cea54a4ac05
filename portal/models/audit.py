from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime
from portal.extensions import db
from portal.models.user import User


class AuditEvent(db.Model):
    """Who did what to which row; append-only, each row sealed by the hash of the one before."""

    # The audit page shows the newest of one row, or of one action, first.
    __table_args__ = (Index(None, "target_id", "id"), Index(None, "action", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    at = mapped_column(UtcDateTime, nullable=False, index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    action: Mapped[str] = mapped_column(String(40))  # "case.view", "login.failed", ...
    target_type: Mapped[str | None] = mapped_column(String(20))
    target_id: Mapped[str | None] = mapped_column(String(40))
    clinic_id: Mapped[int | None] = mapped_column(ForeignKey("clinic.id"))
    address: Mapped[str | None] = mapped_column(String(45))
    details: Mapped[dict] = mapped_column(db.JSON, default=dict)  # never a name, a photo or a password
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    actor: Mapped[User | None] = relationship()
