from flask import Blueprint, redirect, url_for
from flask_login import current_user, login_required

blueprint = Blueprint("home", __name__)

HOMES = {"health_worker": "cases.index", "clinician": "queue.index", "admin": "admin.users"}


@blueprint.get("/")
@login_required
def index():
    return redirect(url_for(HOMES[current_user.role]))
