"""What the shipped model is, how well it did on test photos, and what it cannot do."""

from flask import abort, current_app, render_template, send_file

from portal.model_card import PLOT_TYPES, read_model_card


def show_model():
    return render_template("admin/model.html", card=read_model_card(current_app.config["MODEL_DIR"]))


def show_plot(name):
    card = read_model_card(current_app.config["MODEL_DIR"])
    plot = card.find_plot(name) if card else None
    if plot is None:
        abort(404)
    response = send_file(plot, mimetype=PLOT_TYPES[plot.suffix], conditional=True)
    # An SVG opened by itself could carry a script; here it may draw and style itself, no more.
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    response.headers["Cache-Control"] = "private, no-cache"
    return response
