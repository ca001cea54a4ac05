"""Chances as people can picture them: so many in a hundred, never a decimal."""

from flask_babel import gettext as _


def about_in_hundred(p):
    """ "about 3 in 100" for a probability 0..1; the ends say "fewer than 1" and "more than 99"."""
    return _("%(count)s in 100", count=about(p))


def about(p):
    """The same without its "in 100", for sentences that say it once."""
    count = in_hundred(p)
    if count < 1:
        return _("fewer than 1")
    if count > 99:
        return _("more than 99")
    return _("about %(count)s", count=count)


def in_hundred(p):
    """The whole number of hundredths, 0..100, where only what is under half a hundredth of an end reaches it."""
    return round(100 * min(max(p, 0), 1))
