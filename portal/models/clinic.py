from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.details import HasDetails


class Clinic(HasDetails, db.Model):
    """A place where photos are taken; patients and cases belong to one."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    # The clinician writes down an impression before the model's view is shown.
    first_read_required: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)

    def __str__(self):
        return self.name

    @property
    def details(self):
        return {"name": self.name, "first_read_required": self.first_read_required}
