"""The numbers of a report that a researcher looks at first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import Report

HEADLINE = (
    ("nc1.pinv", "within-class against between-class scatter (ideal 0)"),
    ("nc1.quotient", "the same, of traces (ideal 0)"),
    ("nc1.cdnv", "class-distance normalised variance (ideal 0)"),
    ("nc1.vci", "variability collapse index (ideal 0)"),
    ("nc2.means.equinorm", "class means: spread of their norms (ideal 0)"),
    ("nc2.means.equiangular", "class means: spread of their cosines (ideal 0)"),
    ("nc2.means.max_angle", "class means: cosines against those of a simplex (ideal 0)"),
    ("nc2.means.etf_error", "class means: distance to a simplex ETF (ideal 0)"),
    ("nc2.classifier.equinorm", "classifier: spread of the norms of its rows (ideal 0)"),
    ("nc2.classifier.equiangular", "classifier: spread of their cosines (ideal 0)"),
    ("nc2.classifier.max_angle", "classifier: cosines against those of a simplex (ideal 0)"),
    ("nc2.classifier.etf_error", "classifier: distance to a simplex ETF (ideal 0)"),
    ("nc3.distance", "classifier against class means (ideal 0)"),
    ("nc3.structure_error", "their products against a simplex ETF (ideal 0)"),
    ("nc3.cosine_mean", "their cosine, mean over classes (ideal 1)"),
    ("nc4.agreement", "classifier decides by the nearest class centre (ideal 1)"),
    ("nc4.ncc_accuracy", "accuracy of the nearest class centre (ideal 1)"),
    ("nc4.classifier_accuracy", "accuracy of the classifier (ideal 1)"),
    ("nc5.orthogonality", "class means against out-of-distribution data (ideal 0)"),
    ("test_collapse.weak", "collapse about the split's own means (ideal 0)"),
    ("test_collapse.strong", "collapse about the means of train (ideal 0)"),
    ("minority.classifier_cosine", "classifier rows of the rarest classes, mean cosine"),
    ("minority.means_cosine", "means of the rarest classes, mean cosine"),
)
"""Path of each metric, and what it is."""

GROUPS = (
    *("data", "nc1", "nc2", "nc3", "nc4", "nc5", "test_collapse", "spectrum", "minority"),
    *("class_groups", "dynamics"),
)


def headline(report: Report) -> dict[str, float]:
    """Returns the headline metrics that have a value, by path."""
    values = scalars(report)
    return {path: value for path, _ in HEADLINE if (value := values[path]) is not None}


def scalars(report: Report) -> dict[str, float | None]:
    """Returns every number of the report that is one, by path; None where it is undefined.

    The paths are the same for all reports.
    """
    out: dict[str, float | None] = {}
    for group in GROUPS:
        _collect(getattr(report, group), group, out)
    return out


def _collect(group: Any, path: str, out: dict[str, float | None]) -> None:
    for field in dataclasses.fields(group):
        value, name = getattr(group, field.name), f"{path}.{field.name}"
        # Annotations are text: a group of metrics is always there, so that None is a number's.
        if dataclasses.is_dataclass(value):
            if "None" not in str(field.type):
                _collect(value, name, out)
        elif str(field.type).removesuffix(" | None") in ("float", "int"):
            out[name] = value
