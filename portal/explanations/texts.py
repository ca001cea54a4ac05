"""What is said of each class and each tier, to the clinician and to the patient.

Every combination is kept at a sixth-grade reading level or lower by tests/portal/test_explanations.py.
"""

from flask_babel import lazy_gettext as _

HEADLINES = {
    "clinician": {
        "urgent": _("Urgent: look at this one first"),
        "soon": _("Soon: look at this one ahead of the routine"),
        "cannot_assess": _("Cannot assess: this one needs your eye"),
        "routine": _("Routine: nothing asks for haste"),
    },
    "patient": {
        "urgent": _("A doctor should see this spot very soon"),
        "soon": _("A doctor should see this spot soon"),
        "cannot_assess": _("The computer could not judge this spot"),
        "routine": _("No sign that calls for haste"),
    },
}

TIER_TEXTS = {
    "clinician": {
        "urgent": _(
            "At least one voice asks for a look today; the reasons name it. "
            "If your own look says more than the computer does, trust your look."
        ),
        "soon": _(
            "At least one voice asks for a look in the next days; the reasons name it. "
            "If your own look says more than the computer does, trust your look."
        ),
        "cannot_assess": _(
            "Do not lean on the computer's answer here. Judge the spot as if no computer had seen it. "
            "Ask for a new photo if this one is too poor to judge."
        ),
        "routine": _(
            "No voice asks for haste. The computer misses some cancers, so the case still needs your look. "
            "No case is closed without one."
        ),
    },
    "patient": {
        "urgent": _(
            "Your photo goes to the front of the line. This does not mean that you have cancer. "
            "Please come when you are called, even if the spot does not hurt."
        ),
        "soon": _(
            "Your photo goes ahead of the others. This does not mean that you have cancer. "
            "Please come when you are called, even if the spot does not hurt."
        ),
        "cannot_assess": _(
            "This is about the photo, or about what the computer has not learned. "
            "It does not mean that something is wrong. "
            "A person will look at your photo. You may be asked for a new one."
        ),
        "routine": _(
            "A person will still look at your photo. Most spots like this do no harm. "
            "No test is always right, so keep an eye on it."
        ),
    },
}

# Where the model gave no answer: nothing is known of the photo that could be doubted.
NOT_READ = {
    "clinician": _(
        "The computer has not read this photo, so it says nothing about the spot. "
        "Ask for a new photo if this one is too poor to judge."
    ),
    "patient": _(
        "The computer could not read your photo. This says nothing about your spot. "
        "A clinician will look at the photo, and we will tell you what comes next. You may be asked for a new one."
    ),
}

CLASS_TEXTS = {
    "clinician": {
        "akiec": _(
            "The photo looks most like an actinic keratosis or Bowen's disease. "
            "Both are early growths that can turn into a deep cancer. Feel it: a hard or sore base asks for a biopsy."
        ),
        "bcc": _(
            "The photo looks most like a basal cell carcinoma. It grows slowly and rarely spreads. "
            "Near the eye, nose or ear it should not wait long."
        ),
        "bkl": _(
            "The photo looks most like a benign keratosis. It is harmless, but a melanoma can dress up as one. "
            "Look for milky dots, plugs and a sharp edge before you trust it."
        ),
        "df": _(
            "The photo looks most like a dermatofibroma. It is harmless. "
            "Pinch it: most dip inward. If it grows or bleeds, take a sample."
        ),
        "mel": _(
            "The photo looks most like a melanoma. It can spread early, so it should not wait. "
            "Look at it yourself before you tell the patient what it is."
        ),
        "nv": _(
            "The photo looks most like a mole. Most moles stay harmless. "
            "Ask if it is new or has changed, and see if it looks like the others on this skin."
        ),
        "vasc": _(
            "The photo looks most like a growth of blood vessels. Most are harmless. "
            "If it grew fast or bleeds, think of a melanoma without colour."
        ),
    },
    "patient": {
        "akiec": _(
            "To the computer it looks most like a rough patch made by the sun. "
            "Such a patch is a very early skin cancer or a step before one. It grows slowly and is easy to treat."
        ),
        "bcc": _(
            "To the computer it looks most like a slow kind of skin cancer called basal cell. "
            "It grows slowly and very rarely spreads. It should be treated, and that works well."
        ),
        "bkl": _(
            "To the computer it looks most like an age spot or a wart-like spot. "
            "Such spots do no harm. But some cancers look much like them."
        ),
        "df": _(
            "To the computer it looks most like a firm bump in the skin. "
            "Most such bumps do no harm. But some cancers look much like them."
        ),
        "mel": _(
            "To the computer it looks most like a melanoma. This is a skin cancer that can spread fast. "
            "When it is found early, it can most often be cured. The computer can be wrong, so a doctor must look."
        ),
        "nv": _(
            "To the computer it looks most like a mole. Most moles do no harm. A mole that changes needs a new look."
        ),
        "vasc": _(
            "To the computer it looks most like a spot made of small blood vessels. "
            "Most of these do no harm, even if they can bleed."
        ),
    },
}

LOOK_ALIKES = {
    "akiec": (
        _("A patch of eczema or psoriasis"),
        _("A flat benign keratosis"),
        _("Squamous cell cancer, which the computer does not know"),
    ),
    "bcc": (
        _("A skin-coloured mole of the face"),
        _("An enlarged oil gland"),
        _("A melanoma without colour"),
        _("Squamous cell cancer, which the computer does not know"),
    ),
    "bkl": (
        _("A melanoma that looks like a wart"),
        _("A mole"),
        _("Squamous cell cancer, which the computer does not know"),
    ),
    "df": (_("A scar"), _("A melanoma that looks like a scar"), _("A mole")),
    "mel": (_("An uneven but harmless mole"), _("A dark benign keratosis"), _("A dark basal cell carcinoma")),
    "nv": (_("An early melanoma"), _("A benign keratosis"), _("A dark basal cell carcinoma")),
    "vasc": (
        _("A melanoma without colour"),
        _("A blood blister or a bruise"),
        _("Kaposi's sarcoma, which the computer does not know"),
    ),
}

SAFETY_NET = {
    "clinician": _("Tell the patient: come back if it grows, changes, bleeds, itches or does not heal. Do not wait."),
    "patient": _("Come back if it grows, changes, bleeds, itches or does not heal. Do not wait for your next date."),
}

NOT_A_DIAGNOSIS = _("This is not a diagnosis. A clinician decides.")
UNKNOWN_TO_IT = _(
    "The computer knows seven kinds of spot and no others. It cannot find squamous cell cancer that has grown deep, "
    "spots under a nail, spots in the mouth or other moist skin, or rare skin cancers."
)
LIGHT_SKIN_ONLY = _("It learned mostly from light skin. Nobody has shown that it works on dark skin.")
WHERE_IT_HOLDS = {
    "clinician": _(
        "The numbers hold for skin clinics like those the photos came from. There, %(chance)s spots were "
        "skin cancer or a step before it. Where fewer are, each number is too high."
    ),
    "patient": _(
        "The numbers come from skin clinics, where %(chance)s spots were skin cancer or a step before it. "
        "Here fewer may be, and then the true number is lower."
    ),
}
NOT_VALIDATED = _("This is an evaluation model, not validated. It must not guide care.")

MAP_CAPTION = _("Where the computer looked. It does not show where a cancer is, and it proves nothing.")

# What the clinician decided, said to the patient.
DECISIONS = {
    "urgent_referral": _(
        "The clinician wants a skin doctor to see you very soon. Please go to that visit, even if nothing hurts."
    ),
    "routine_referral": _("The clinician wants a skin doctor to see you. You will be told when and where."),
    "biopsy": _(
        "The clinician wants to take a small piece of the spot, so that it can be tested. You will be told when."
    ),
    "treat": _("The clinician wants to treat the spot. You will be told how and when."),
    "monitor": _("The clinician wants to look at the spot again. Please come back on the date below."),
    "no_action": _("The clinician found nothing that must be done now. Keep an eye on the spot."),
}
