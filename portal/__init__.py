"""The clinic screening portal."""

import os

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from config import ROOT, load_config
from portal import (
    cli,
    errors,
    formatting,
    language,
    models,  # noqa: F401  the metadata is complete before migrations compare it
    navigation,
    security,
    sessions,
)
from portal.celery import celery_init_app
from portal.database import engine_options, install_sqlite_rules
from portal.extensions import babel, bootstrap, csrf, db, login_manager, migrate
from portal.proxy import with_plain_address
from portal.views import BLUEPRINTS


def create_app(config=None):
    """The application; ``config`` is a config.Config, by default the one the environment names."""
    app = Flask(__name__, template_folder=ROOT / "templates", static_folder=ROOT / "static")
    app.config.from_object(config or load_config(os.environ))
    configure_proxy(app)
    configure_database(app)
    configure_extensions(app)
    celery_init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for module in (sessions, security, language, formatting, navigation, errors, cli):
        module.init_app(app)
    return app


def configure_proxy(app):
    count = app.config["PROXY_COUNT"]
    if count:
        app.wsgi_app = ProxyFix(with_plain_address(app.wsgi_app), x_for=count, x_proto=count, x_host=count)


def configure_database(app):
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(app.config["SQLALCHEMY_DATABASE_URI"])
    db.init_app(app)
    with app.app_context():
        install_sqlite_rules(db.engine)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)


def configure_extensions(app):
    csrf.init_app(app)
    login_manager.init_app(app)
    bootstrap.init_app(app)
    babel.init_app(app, locale_selector=language.select_locale)
