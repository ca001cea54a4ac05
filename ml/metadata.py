"""What age, sex and place on the body say about the class, added to what the photograph says.

p(y | image, facts) is proportional to p(y | image) · p(y | facts) / p(y). The ratio is kept as
one additive term a fact, in log space: a missing fact adds nothing, and the shift of each fact
can be shown. The terms are fitted together, with facts hidden at random, so they stay
calibrated whichever facts are known.
"""

from dataclasses import dataclass

import numpy as np

from ml.labels import SEXES, SITES

FACTS = ("age", "sex", "site")
AGE_KNOTS = (0.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)
_PRIOR_FLOOR = 1e-6


@dataclass(frozen=True)
class Fusion:
    """Log-ratio terms, each (7,), for every value of every fact.

    age: (len(AGE_KNOTS), 7), interpolated between knots given in years.
    weight: how much of a term is used, 0..1; the photograph already shows some of the age and place.
    temperature: softens (above 1) what comes out once any fact is told.
    """

    age: np.ndarray
    sex: dict[str, np.ndarray]
    site: dict[str, np.ndarray]
    weight: float = 1.0
    temperature: float = 1.0

    @classmethod
    def neutral(cls) -> "Fusion":
        """A fusion in which no fact says anything."""
        return cls(np.zeros((len(AGE_KNOTS), 7)), {}, {}, 0.0)

    @classmethod
    def from_json(cls, data: dict) -> "Fusion":
        return cls(
            age=np.asarray(data["age"], dtype=float),
            sex={name: np.asarray(term, dtype=float) for name, term in data["sex"].items()},
            site={name: np.asarray(term, dtype=float) for name, term in data["site"].items()},
            weight=float(data["weight"]),
            temperature=float(data.get("temperature", 1.0)),  # artefacts before it had none
        )

    def to_json(self) -> dict:
        return {
            "age_knots": list(AGE_KNOTS),
            "age": _rounded(self.age),
            "sex": {name: _rounded(term) for name, term in self.sex.items()},
            "site": {name: _rounded(term) for name, term in self.site.items()},
            "weight": self.weight,
            "temperature": self.temperature,
        }

    def term(self, fact: str, value) -> np.ndarray | None:
        """The log-ratio (7,) that a fact adds, or None where it is missing or unheard of.

        age is in years and held to the knots' range; sex and site are words of ml.labels.
        """
        if fact == "age":
            if value is None or not np.isfinite(value):
                return None
            columns = [np.interp(value, AGE_KNOTS, column) for column in self.age.T]
            return self.weight * np.array(columns)
        known = self.sex if fact == "sex" else self.site
        term = known.get(str(value).strip().lower()) if value is not None else None
        return None if term is None else self.weight * term

    def steps(self, probabilities: np.ndarray, facts: dict) -> list[tuple[str, np.ndarray]]:
        """(fact, probabilities (7,) after it) for each known fact, in the order of FACTS."""
        log_probabilities = np.log(np.maximum(probabilities, _PRIOR_FLOOR))
        taken = []
        for fact in FACTS:
            term = self.term(fact, facts.get(fact))
            if term is not None:
                log_probabilities = log_probabilities + term
                taken.append((fact, softmax(log_probabilities / self.temperature)))
        return taken

    def fuse(self, probabilities: np.ndarray, facts: dict) -> np.ndarray:
        """p(y | image, facts), (7,), from p(y | image), (7,)."""
        taken = self.steps(probabilities, facts)
        return taken[-1][1] if taken else probabilities


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _rounded(values: np.ndarray) -> list:
    return np.round(values, 5).tolist()


# --- fitting -----------------------------------------------------------------------------------


def fit_fusion(facts: list[dict], labels: np.ndarray, prior: np.ndarray, penalty: float = 1.0) -> Fusion:
    """Fit the terms by penalised maximum likelihood on the training split.

    facts: one dict a photograph with age, sex, site (None where unknown); labels: (N,) class
    indices; prior: (7,), the class shares; penalty: strength of the pull towards "says nothing",
    in units of photographs. Every subset of the facts is used alike often, so that the terms of a
    photograph whose other facts are missing are calibrated too.
    """
    from scipy.optimize import minimize  # the portal installs no scipy

    design = design_matrix(facts)
    blocks = design_blocks()
    copies, targets = [], []
    for subset in range(1, 2 ** len(FACTS)):
        masked = design.copy()
        for position, columns in enumerate(blocks):
            if not subset >> position & 1:
                masked[:, columns] = 0
        copies.append(masked)
        targets.append(labels)
    stacked, stacked_labels = np.concatenate(copies), np.concatenate(targets)
    share = 1 / len(copies)
    one_hot = np.eye(len(prior))[stacked_labels]
    log_prior = np.log(np.maximum(prior, _PRIOR_FLOOR))
    shape = (design.shape[1], len(prior))

    def objective(flat):
        terms = flat.reshape(shape)
        probabilities = softmax(stacked @ terms + log_prior)
        picked = probabilities[np.arange(len(stacked_labels)), stacked_labels]
        loss = -share * np.log(picked).sum() + penalty / 2 * (terms**2).sum()
        gradient = share * stacked.T @ (probabilities - one_hot) + penalty * terms
        return loss, gradient.ravel()

    fitted = minimize(objective, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x
    terms = fitted.reshape(shape)
    terms -= terms.mean(axis=1, keepdims=True)
    age, sex, site = (terms[columns] for columns in blocks)
    return Fusion(
        age=age,
        sex=dict(zip(SEXES, sex, strict=True)),
        site=dict(zip(SITES, site, strict=True)),
    )


def design_blocks() -> tuple[slice, slice, slice]:
    """The columns of the design matrix that belong to age, sex and site."""
    after_age = len(AGE_KNOTS)
    after_sex = after_age + len(SEXES)
    return slice(0, after_age), slice(after_age, after_sex), slice(after_sex, after_sex + len(SITES))


def design_matrix(facts: list[dict]) -> np.ndarray:
    """(N, knots + sexes + sites): linear weights of the two nearest age knots, then one-hot
    columns; a missing fact leaves its columns zero."""
    age_columns, sex_columns, site_columns = design_blocks()
    design = np.zeros((len(facts), site_columns.stop))
    identity = np.eye(len(AGE_KNOTS))
    for row, known in zip(design, facts, strict=True):
        age, sex, site = (known.get(fact) for fact in FACTS)
        if age is not None and np.isfinite(age):
            row[age_columns] = [np.interp(age, AGE_KNOTS, knot) for knot in identity]
        if sex in SEXES:
            row[sex_columns.start + SEXES.index(sex)] = 1
        if site in SITES:
            row[site_columns.start + SITES.index(site)] = 1
    return design
