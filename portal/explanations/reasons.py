"""Why a case has its tier, why it failed, why a photo is asked for again: codes to words."""

from flask_babel import lazy_gettext as _

from portal.explanations.frequencies import about_in_hundred

REASONS = {
    "checklist": _("The checklist gives %(score)s points; 3 or more calls for a closer look."),
    "worried": _("The health worker is worried about this spot."),
    "model_melanoma": _("The computer's view: %(chance)s for melanoma."),
    "model_malignancy": _("The computer's view: %(chance)s for skin cancer or a step before it."),
    "model_failed": _("The computer could not judge this photo."),
    "out_of_distribution": _("The photo is not like those the computer learned from."),
    "set_too_wide": _("The computer cannot narrow it down: %(size)s of its 7 classes still fit."),
    "quality": _("The photo is hard to judge: %(problem)s."),
    "dark_skin": _("The computer learned from very few photos of dark skin. A clinician must judge this one."),
    "looks_dark": _(
        "The skin looks dark in the photo. Either there was too little light, or the skin is dark: the computer "
        "learned from very few photos of dark skin. A clinician must judge this one."
    ),
    "nothing_raised": _("Nothing in the photo or in the answers asks for haste."),
    "waiting_for_model": _("Nothing in the answers asks for haste. The computer had not looked when this was sorted."),
}

# To somebody who is not told the numbers.
WITHOUT_CHANCE = {
    "model_melanoma": _("The computer sees signs of melanoma."),
    "model_malignancy": _("The computer sees signs of skin cancer or a step before it."),
}

PROBLEMS = {
    "blurred": _("it is blurred"),
    "dark": _("it is too dark"),
    "overexposed": _("it is too bright"),
    "small": _("it has too few pixels"),
    "colourless": _("it has no colour"),
    "touches_border": _("the spot runs out of the picture"),
    "hair": _("hair lies over the skin"),
    "ruler": _("a ruler is in the picture"),
}

FAILURES = {
    "photo_unreadable": _("The photo could not be read. Take a new one."),
    "model_error": _("The computer could not judge this photo. A clinician will look at it."),
    "took_too_long": _("It took too long. Try again; if it stays, a clinician will look at it."),
    "worker_lost": _("The work was cut off three times. Try again; if it stays, tell support."),
}

RETAKES = {
    "blurred": _("The photo is blurred. Rest your hand, hold still and tap the spot to focus."),
    "dark": _("The photo is too dark. Turn on more light or go near a window."),
    "overexposed": _("The photo is too bright. Turn off the flash or step out of the sun."),
    "too_far": _("The spot is too small in the picture. Move closer until it fills half of it."),
    "not_lesion": _("The photo does not show a skin spot. Take a photo of the spot itself."),
    "hair": _("Hair covers the spot. Part it or clip it, then take the photo again."),
    "wrong_spot": _("The photo shows another spot than the one marked. Check the place and take it again."),
    "other": _("The photo cannot be used. Take it again, close, sharp and in good light."),
}


def reason_text(reason, has_chance=True):
    """One sentence for a stored portal.triage.Reason, given as a dict of code and params.

    Without ``has_chance`` no number of the model's is said.
    """
    texts = REASONS if has_chance else REASONS | WITHOUT_CHANCE
    return str(texts[reason["code"]]) % _words(reason.get("params") or {})


def _words(params):
    words = dict(params)
    for name in ("probability", "risk"):
        if name in params:
            words["chance"] = about_in_hundred(params[name])
    if "problem" in params:
        words["problem"] = PROBLEMS[params["problem"]]
    return words
