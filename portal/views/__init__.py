"""One blueprint a file; this list is every page the portal has."""

from portal.views import admin, auth, cases, health, home, patients, queue

BLUEPRINTS = (
    home.blueprint,
    health.blueprint,
    auth.blueprint,
    cases.blueprint,
    queue.blueprint,
    patients.blueprint,
    admin.blueprint,
)
