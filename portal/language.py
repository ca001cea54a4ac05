"""Which language a page speaks: the person's own, else the cookie, else the browser's."""

from flask import current_app, has_request_context, request
from flask_babel import get_locale
from flask_login import current_user


def select_locale():
    if not has_request_context():  # a command or a worker speaks the default language
        return None
    languages = current_app.config["LANGUAGES"]
    if current_user and current_user.is_authenticated:
        return current_user.language
    chosen = request.cookies.get("language")
    return chosen if chosen in languages else request.accept_languages.best_match(languages)


def init_app(app):
    app.context_processor(lambda: {"current_language": str(get_locale()), "languages": app.config["LANGUAGES"]})
