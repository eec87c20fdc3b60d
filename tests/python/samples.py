"""Data sets with the shapes that go wrong, each seeded by its own name."""

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Samples:
    features: np.ndarray  # [N, d] float64
    labels: np.ndarray  # [N] int64
    num_classes: int
    weight: np.ndarray  # [K, d] float64
    bias: np.ndarray  # [K] float64

    def rounded(self, dtype):
        """The same data, exactly as a narrower element type holds it."""
        return Samples(
            self.features.astype(dtype).astype(np.float64),
            self.labels,
            self.num_classes,
            self.weight.astype(np.float32).astype(np.float64),
            self.bias.astype(np.float32).astype(np.float64),
        )


def make(name):
    """Returns the data set of that name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    classes, dim, counts = {
        "balanced": (6, 16, [40] * 6),
        "imbalanced": (7, 12, [90, 60, 30, 20, 10, 5, 3]),
        "absent_class": (8, 16, [20, 0, 20, 20, 0, 20, 20, 20]),
        "singleton": (5, 9, [30, 1, 30, 1, 30]),
        "more_classes_than_dimensions": (20, 6, [15] * 20),
        "two_classes": (2, 5, [25, 35]),
        "rank_deficient": (9, 16, [20] * 9),
        "collapsed_far_from_origin": (5, 16, [50] * 5),
    }[name]
    means = rng.standard_normal((classes, dim))
    spread = 0.4
    if name == "rank_deficient":  # class means in a plane
        means = rng.standard_normal((classes, 2)) @ rng.standard_normal((2, dim))
    if name == "collapsed_far_from_origin":
        means, spread = means + 10, 1e-4
    labels = np.repeat(np.arange(classes), counts)
    rng.shuffle(labels)
    features = means[labels] + spread * rng.standard_normal((len(labels), dim))
    weight = means - means.mean(axis=0) + 0.3 * rng.standard_normal((classes, dim))
    return Samples(features, labels, classes, weight, 0.1 * rng.standard_normal(classes))


NAMES = (
    "balanced",
    "imbalanced",
    "absent_class",
    "singleton",
    "more_classes_than_dimensions",
    "two_classes",
    "rank_deficient",
    "collapsed_far_from_origin",
)
