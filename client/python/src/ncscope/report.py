"""Reports as typed values."""

from __future__ import annotations

import datetime
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from google.protobuf import json_format, timestamp_pb2
from google.protobuf.message import Message

from .v1 import report_pb2, report_types
from .v1.report_types import ReportFields

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")


@dataclass(frozen=True)
class Report(ReportFields):
    """Everything ncscope says about one series in one epoch.

    Fields are those of the message Report in proto/ncscope/v1/report.proto, by the same names:
    ``report.nc1.pinv``, ``report.nc2.means.etf_error``, ``report.nc4.agreement``, ... A metric
    that is undefined is None, and `undefined` says why.
    """

    undefined: Mapping[str, str] = field(default_factory=dict)
    """Why a metric ("nc3.distance") or a group of them ("nc3") has no value."""

    message: report_pb2.Report = field(default_factory=report_pb2.Report, repr=False, compare=False)
    """The message that the report was made from."""

    @classmethod
    def from_message(cls, message: report_pb2.Report) -> Report:
        """Makes a report from a message."""
        reasons = {entry.metric: entry.reason for entry in message.undefined}
        # Mappings of a frozen report are read-only too.
        return cls(
            **_fields(message, ReportFields), undefined=MappingProxyType(reasons), message=message
        )

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Reads the JSON of `to_json`, of the server or of the command line."""
        return cls.from_message(json_format.Parse(text, report_pb2.Report()))

    @property
    def run(self) -> str:
        """Name of the run."""
        return self.key.run

    @property
    def epoch(self) -> int:
        """Epoch, counted from 0."""
        return self.key.epoch

    @property
    def split(self) -> str:
        """Data split, such as "train"."""
        return self.key.split

    @property
    def layer(self) -> str:
        """Layer that the features come from."""
        return self.key.layer

    def why(self, metric: str) -> str | None:
        """Returns the reason why `metric` (or a group that it is in) is undefined, or None."""
        path = metric
        while path:
            if path in self.undefined:
                return self.undefined[path]
            path = path.rpartition(".")[0]
        return None

    def class_column(self, name: str) -> np.ndarray[Any, Any]:
        """Returns one column of `classes`, [P]; float64 with NaN where a class has no value.

        `name` is a field of ClassReport: "within_variance" (feature units squared), "agreement",
        ...; "label" and "count" come as int64.
        """
        values = [getattr(row, name) for row in self.classes]
        if name in ("label", "count"):
            return np.array(values, dtype=np.int64)
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Returns nested dicts by the proto's field names; undefined metrics are absent.

        Unlike in JSON, where the protobuf mapping demands otherwise, 64-bit integers are ints and
        enums have the short names of the typed fields.
        """
        return _to_dict(self.message)

    def to_json(self, indent: int | None = 2) -> str:
        """Returns the protobuf JSON mapping with the proto's field names, as the server writes it.

        Undefined metrics are absent; other fields are there also where they are 0 or empty.
        """
        value = json_format.MessageToDict(
            self.message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        return json.dumps(value, indent=indent)

    def to_pandas(self) -> pandas.DataFrame:
        """Returns one row: run, epoch, split, ..., and every scalar metric by path ("nc1.pinv").

        Columns are the same for all reports, NaN where a metric is undefined: pandas.concat makes
        a table of a run. Raises ImportError without pandas.
        """
        from .tables import frame_of_report

        return frame_of_report(self)

    def classes_to_pandas(self) -> pandas.DataFrame:
        """Returns the fields of ClassReport of the present classes, by label.

        NaN where a class has no value. Raises ImportError without pandas.
        """
        from .tables import frame_of_classes

        return frame_of_classes(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline numbers."""
        from .tables import html_of_report

        return html_of_report(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the message: a read-only mapping cannot be."""
        return _unpickle, (self.message.SerializeToString(),)


def _unpickle(data: bytes) -> Report:
    return Report.from_message(report_pb2.Report.FromString(data))


def from_message(message: Message, kind: type[T]) -> T:
    """Makes a dataclass of report_types from the message of the same fields."""
    return kind(**_fields(message, kind))


def _fields(message: Message, kind: type[Any]) -> dict[str, Any]:
    types = _types_of(kind)
    return {
        name: _value(message, message.DESCRIPTOR.fields_by_name[name], types[name])
        for name in types
    }


def _value(message: Message, descriptor: Any, kind: Any) -> Any:
    value = getattr(message, descriptor.name)
    if typing.get_origin(kind) is tuple:
        (item, _) = typing.get_args(kind)
        return tuple(_item(descriptor, entry, item) for entry in value)
    if descriptor.has_presence and not message.HasField(descriptor.name):
        # Groups of metrics are always there, with None in every field.
        return from_message(value, kind) if isinstance(kind, type) else None
    return _item(descriptor, value, kind)


def _item(descriptor: Any, value: Any, kind: Any) -> Any:
    if isinstance(value, timestamp_pb2.Timestamp):
        return value.ToDatetime(tzinfo=datetime.timezone.utc)
    if isinstance(value, Message):
        return from_message(value, kind if isinstance(kind, type) else typing.get_args(kind)[0])
    return _enum_name(descriptor, value) if descriptor.enum_type is not None else value


def _enum_name(descriptor: Any, number: int) -> str:
    """Returns "by_count" for WEIGHTING_BY_COUNT; a value newer than this package as a number."""
    values = descriptor.enum_type.values_by_number
    if number not in values:
        return str(number)
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return str(values[number].name.removeprefix(prefix).lower())


_TYPES: dict[type[Any], dict[str, Any]] = {}


def _types_of(kind: type[Any]) -> dict[str, Any]:
    """Returns the types of a generated dataclass's fields by name."""
    if kind not in _TYPES:
        _TYPES[kind] = typing.get_type_hints(kind, vars(report_types))
    return _TYPES[kind]


def _to_dict(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for descriptor in message.DESCRIPTOR.fields:
        value = getattr(message, descriptor.name)
        if isinstance(value, Message) or descriptor.has_presence:
            if message.HasField(descriptor.name):
                out[descriptor.name] = _plain(descriptor, value)
        elif isinstance(value, (str, bool, int, float)):
            out[descriptor.name] = _plain(descriptor, value)
        elif len(value):
            out[descriptor.name] = [_plain(descriptor, entry) for entry in value]
    return out


def _plain(descriptor: Any, value: Any) -> Any:
    if isinstance(value, timestamp_pb2.Timestamp):
        return value.ToJsonString()
    if isinstance(value, Message):
        return _to_dict(value)
    return _enum_name(descriptor, value) if descriptor.enum_type is not None else value
