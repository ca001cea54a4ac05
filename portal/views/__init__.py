"""One blueprint a file; this list is every page the portal has."""

from portal.views import account, admin, auth, cases, health, home, images, patients, queue, reviews

BLUEPRINTS = (
    home.blueprint,
    health.blueprint,
    auth.blueprint,
    account.blueprint,
    cases.blueprint,
    queue.blueprint,
    reviews.blueprint,
    images.blueprint,
    patients.blueprint,
    admin.blueprint,
)
