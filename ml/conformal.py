"""Class-conditional (Mondrian) split-conformal prediction sets.

A class is in the set when its probability is at least as high as that of nearly all
calibration photographs of that class. The promise holds for each class by itself, so
rare cancers are covered as often as common moles.

Source: V. Vovk, "Conditional validity of inductive conformal predictors",
Machine Learning 92 (2013); M. Sadinle, J. Lei, L. Wasserman, JASA 114 (2019).
"""

import math

import numpy as np


def class_quantiles(probabilities: np.ndarray, labels: np.ndarray, level: float) -> np.ndarray:
    """The least probability at which each class enters the set, (K,), 0..1.

    probabilities: (N, K); labels: (N,) class indices; level: coverage wanted, 0..1.
    With n examples of a class, the floor((n + 1)(1 - level))-th smallest of their own
    probabilities gives coverage of at least `level` on exchangeable data. Where n is too small for
    any such rank the quantile is 0: the class is always in the set.
    """
    quantiles = np.zeros(probabilities.shape[1])
    for index in range(probabilities.shape[1]):
        own = np.sort(probabilities[labels == index, index])
        # The epsilon keeps (9 + 1) x 0.1 from falling just under 1.
        rank = math.floor((len(own) + 1) * (1 - level) + 1e-9)
        quantiles[index] = own[rank - 1] if rank >= 1 else 0.0
    return quantiles


def set_members(probabilities: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Which classes are in each set: bool (N, K) from probabilities (N, K).

    The most probable class need not be a member: it may be less probable than that class is for
    nearly all of its own photographs. Only where no class is does it stand alone, as an empty set
    would tell a reader nothing.
    """
    members = probabilities >= quantiles
    empty = np.flatnonzero(~members.any(axis=1))
    members[empty, probabilities[empty].argmax(axis=1)] = True
    return members


def coverage(members: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each set (bool (N, K)) holds its true class: bool (N,)."""
    return members[np.arange(len(labels)), labels]
