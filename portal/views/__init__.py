"""One blueprint a file; this list is every page the portal has."""

from portal.views import account, admin, agreement, auth, cases, health, home, images, leaflet, patients, queue, reviews

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
    leaflet.blueprint,
    admin.blueprint,
    agreement.blueprint,
)
