"""The administrator's pages; every URL is in this table, and none is open to another role."""

from flask import Blueprint

from portal.permissions import require_role
from portal.views.admin import clinics, model, results, system, users

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

GET, POST, BOTH = ["GET"], ["POST"], ["GET", "POST"]

URLS = (
    ("/users", "users", users.show_users, GET),
    ("/users/new", "new_user", users.new_user, BOTH),
    ("/users/<int:user_id>", "user", users.edit_user, BOTH),
    ("/users/<int:user_id>/deactivate", "deactivate_user", users.deactivate, POST),
    ("/users/<int:user_id>/activate", "activate_user", users.activate, POST),
    ("/users/<int:user_id>/reset-password", "reset_password", users.reset_password, POST),
    ("/users/<int:user_id>/reset-two-factor", "reset_two_factor", users.reset_two_factor, POST),
    ("/clinics", "clinics", clinics.show_clinics, GET),
    ("/clinics/new", "new_clinic", clinics.new_clinic, BOTH),
    ("/clinics/<int:clinic_id>", "clinic", clinics.edit_clinic, BOTH),
    ("/clinics/<int:clinic_id>/deactivate", "deactivate_clinic", clinics.deactivate, POST),
    ("/clinics/<int:clinic_id>/activate", "activate_clinic", clinics.activate, POST),
    ("/results", "results", results.show_results, GET),
    ("/export.csv", "export", results.export, GET),
    ("/audit", "audit", system.show_audit, GET),
    ("/system", "system", system.show_system, GET),
    ("/system/cases/<uuid:case_id>/retry", "retry_case", system.retry, POST),
    ("/model", "model", model.show_model, GET),
    ("/model/plots/<name>", "model_plot", model.show_plot, GET),
)

for path, endpoint, view, methods in URLS:
    blueprint.add_url_rule(path, endpoint, require_role("admin")(view), methods=methods)
