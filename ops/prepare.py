"""``python -m ops.prepare``: bring the database up to date and, on the first start, make the demo accounts.

One process for both, because importing the application twice would make every start a second slower.
"""

from flask_migrate import upgrade

from portal import create_app


def main():
    app = create_app()
    with app.app_context():
        upgrade()
        if not app.config["IS_PRODUCTION"]:
            app.cli.main(["demo-accounts"], standalone_mode=False)


if __name__ == "__main__":
    main()
