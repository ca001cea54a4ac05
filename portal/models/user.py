from flask_login import UserMixin
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.clinic import Clinic
from portal.models.details import HasDetails

ROLES = ("health_worker", "clinician", "admin")

user_clinic = Table(
    "user_clinic",
    db.metadata,
    Column("user_id", Integer, ForeignKey("user.id", ondelete="CASCADE"), primary_key=True),
    Column("clinic_id", Integer, ForeignKey("clinic.id", ondelete="CASCADE"), primary_key=True),
)


class User(HasDetails, UserMixin, db.Model):
    """Somebody who logs in. A health worker has one clinic, a clinician those assigned, an admin none."""

    __table_args__ = (CheckConstraint(f"role IN {ROLES}", name="role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)  # kept in lower case
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    language: Mapped[str] = mapped_column(String(5), default="en")
    totp_secret: Mapped[str | None] = mapped_column(String(64))
    totp_confirmed_at = mapped_column(UtcDateTime)
    totp_last_step: Mapped[int | None]  # the last code's time step, so that no code works twice
    recovery_code_hashes: Mapped[list] = mapped_column(db.JSON, default=list)
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    clinics: Mapped[list[Clinic]] = relationship(secondary=user_clinic, order_by=Clinic.name)

    # UserMixin's equality goes by get_id, which is None of everybody but the person logged in.
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    # Set by the session loader: the LoginSession row this request came with.
    login_session = None

    def get_id(self):
        return self.login_session.token if self.login_session else None

    @property
    def clinic(self):
        return self.clinics[0] if self.clinics else None

    @property
    def details(self):
        return {"name": self.name, "role": self.role, "clinics": sorted(clinic.id for clinic in self.clinics)}

    @property
    def has_two_factor(self):
        return self.totp_confirmed_at is not None
