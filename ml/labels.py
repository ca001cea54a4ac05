"""The seven HAM10000 classes: order, names and the malignant set, defined once.

Source: P. Tschandl, C. Rosendahl, H. Kittler, "The HAM10000 dataset",
Scientific Data 5, 180161 (2018), doi 10.1038/sdata.2018.161.
"""

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")

NAMES = {
    "akiec": "actinic keratosis or Bowen's disease",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "mole (melanocytic naevus)",
    "vasc": "vascular lesion",
}

MALIGNANT = frozenset({"akiec", "bcc", "mel"})

SEXES = ("female", "male")

# HAM10000's own vocabulary for the place on the body.
SITES = (
    "abdomen",
    "acral",
    "back",
    "chest",
    "ear",
    "face",
    "foot",
    "genital",
    "hand",
    "lower extremity",
    "neck",
    "scalp",
    "trunk",
    "upper extremity",
)

INDEX = {name: position for position, name in enumerate(CLASSES)}
MALIGNANT_INDICES = tuple(INDEX[name] for name in CLASSES if name in MALIGNANT)
