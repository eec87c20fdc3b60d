"""Choices of a stream, as users write them and as they travel."""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

from .errors import InvalidArgument
from .v1 import types_pb2

NONFINITE = {
    "refuse": types_pb2.NONFINITE_POLICY_REFUSE,
    "skip": types_pb2.NONFINITE_POLICY_SKIP,
}
WEIGHTINGS = {
    "uniform": types_pb2.WEIGHTING_UNIFORM,
    "by_count": types_pb2.WEIGHTING_BY_COUNT,
}
SPECTRA = {
    "auto": types_pb2.SPECTRUM_CHOICE_UNSPECIFIED,
    "none": types_pb2.SPECTRUM_CHOICE_NONE,
    "leading": types_pb2.SPECTRUM_CHOICE_LEADING,
    "all": types_pb2.SPECTRUM_CHOICE_ALL,
}

PROFILES = {name: name for name in ("default", "papyan", "geometric", "linguistic", "rw")}


def report_choices(
    spectrum: str, exact_pairs: bool, standard_errors: bool, one_vs_rest_margin: bool
) -> types_pb2.ReportChoices:
    """Returns what a report holds beyond what every report does."""
    return types_pb2.ReportChoices(
        spectrum=choice("spectrum", spectrum, SPECTRA),
        exact_pairs=exact_pairs,
        standard_errors=standard_errors,
        one_vs_rest_margin=one_vs_rest_margin,
    )


def unsigned(name: str, value: int) -> int:
    """Checks what protobuf would refuse with a text that does not name the argument."""
    is_integer = isinstance(value, SupportsIndex) and not isinstance(value, bool)
    if not is_integer or not 0 <= operator.index(value) < 1 << 32:
        raise InvalidArgument(f"expected {name} in [0, 2^32); got {value!r}")
    return operator.index(value)


def choice(name: str, value: str, choices: dict[str, Any]) -> Any:
    """Returns what `value` stands for; raises InvalidArgument naming the choices."""
    if value not in choices:
        raise InvalidArgument(f"expected {name} of {', '.join(choices)}; got {value!r}")
    return choices[value]
