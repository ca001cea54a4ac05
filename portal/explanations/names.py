"""What people call the codes that the database holds."""

from flask_babel import lazy_gettext as _
from flask_babel import lazy_pgettext

VOICES = ("clinician", "patient")

CLASS_NAMES = {
    "clinician": {
        "akiec": _("Actinic keratosis or Bowen's disease"),
        "bcc": _("Basal cell carcinoma"),
        "bkl": _("Benign keratosis"),
        "df": _("Dermatofibroma"),
        "mel": _("Melanoma"),
        "nv": _("Mole (naevus)"),
        "vasc": _("Vascular lesion"),
    },
    "patient": {
        "akiec": _("a rough patch from the sun (early skin cancer or a step before it)"),
        "bcc": _("a slow kind of skin cancer (basal cell)"),
        "bkl": _("a harmless age spot or wart-like spot"),
        "df": _("a harmless firm bump"),
        "mel": _("a fast kind of skin cancer (melanoma)"),
        "nv": _("a mole"),
        "vasc": _("a spot made of small blood vessels"),
    },
}

# What a person may write down beyond the classes that the model knows.
OTHER_DIAGNOSES = {"other": _("Something else"), "unclear": _("Unclear")}

SITE_NAMES = {
    "abdomen": _("Belly"),
    "acral": _("Palm or sole"),
    "back": lazy_pgettext("part of the body", "Back"),
    "chest": _("Chest"),
    "ear": _("Ear"),
    "face": _("Face"),
    "foot": _("Foot"),
    "genital": _("Genital area"),
    "hand": _("Hand"),
    "lower extremity": _("Leg"),
    "neck": _("Neck"),
    "scalp": _("Scalp"),
    "trunk": _("Trunk"),
    "upper extremity": _("Arm"),
    "unknown": _("Place not noted"),
}

SIDE_NAMES = {"left": _("left side"), "right": _("right side")}

# Said only of what both have: a belly is in front.
VIEW_NAMES = {"front": _("from the front"), "back": _("from behind")}
_SEEN_FROM_BOTH = ("foot", "hand", "lower extremity", "neck", "trunk", "upper extremity")

SEX_NAMES = {"female": _("Female"), "male": _("Male")}

TIER_NAMES = {
    "urgent": _("Urgent"),
    "soon": _("Soon"),
    "cannot_assess": _("Cannot assess"),
    "routine": _("Routine"),
}

CHECKLIST_NAMES = {
    "change_in_size": _("It has grown"),
    "irregular_shape": _("Its shape is uneven"),
    "irregular_colour": _("It has more than one colour"),
    "seven_mm_or_more": _("It is 7 mm wide or more"),
    "inflammation": _("It is red or sore"),
    "oozing": _("It oozes or bleeds"),
    "change_in_sensation": _("It itches or feels different"),
}

DISPOSITION_NAMES = {
    "urgent_referral": _("Urgent referral"),
    "routine_referral": _("Routine referral"),
    "biopsy": _("Biopsy"),
    "treat": _("Treat"),
    "monitor": _("Look again later"),
    "no_action": _("No action needed"),
}


def class_name(code, voice="clinician"):
    return str(CLASS_NAMES[voice][code])


def diagnosis_name(code):
    """The name of a class, or of what a person wrote down instead of one."""
    return str(OTHER_DIAGNOSES.get(code) or CLASS_NAMES["clinician"][code])


def site_name(code):
    return str(SITE_NAMES[code])


def place_name(lesion):
    """Where a spot is, as exactly as it was noted: "Leg, left side, from behind"."""
    words = [SITE_NAMES[lesion.body_site], SIDE_NAMES.get(lesion.side)]
    if lesion.body_site in _SEEN_FROM_BOTH:
        words.append(VIEW_NAMES.get(lesion.body_view))
    return ", ".join(str(word) for word in words if word)
