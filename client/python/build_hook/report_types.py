"""Writes the dataclasses of a report: one per message, docstrings from the proto's comments.

They differ from the messages in what a reader of reports needs: a number that is absent is None,
and so is a message that is absent, unless it is a group of metrics or a direct part of the report:
those are always there. An enum is its name in lower case, a timestamp is a datetime in UTC.
A new field in the protos needs no Python code.
"""

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)

# Messages that become dataclasses, with all that they hold.
ROOTS = (".ncscope.v1.Report", ".ncscope.v1.ListRunsResponse.Run")
# Fields that ncscope/report.py shapes by hand: undefined as a mapping.
BY_HAND = {(".ncscope.v1.Report", "undefined")}
# Names that would shadow or mislead.
NAMES = {".ncscope.v1.Report": "ReportFields", ".ncscope.v1.Warning": "ReportWarning"}

TIMESTAMP = ".google.protobuf.Timestamp"
PACKAGE = ".ncscope.v1."
F = FieldDescriptorProto
SCALARS = {
    **dict.fromkeys((F.TYPE_DOUBLE, F.TYPE_FLOAT), "float"),
    **dict.fromkeys(
        (
            *(F.TYPE_INT32, F.TYPE_INT64, F.TYPE_UINT32, F.TYPE_UINT64, F.TYPE_SINT32),
            *(F.TYPE_SINT64, F.TYPE_FIXED32, F.TYPE_FIXED64, F.TYPE_SFIXED32, F.TYPE_SFIXED64),
        ),
        "int",
    ),
    F.TYPE_BOOL: "bool",
    F.TYPE_STRING: "str",
    F.TYPE_BYTES: "bytes",
    F.TYPE_ENUM: "str",
}

HEADER = '''"""Generated from proto/ncscope/v1: reports as dataclasses, comments and all."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
'''


def render(files: FileDescriptorSet) -> str:
    """Returns the source of the module, each class after those that it holds."""
    messages: dict[str, DescriptorProto] = {}
    comments: dict[tuple[str, str], str] = {}
    for file in files.file:
        if file.package == "ncscope.v1":
            for message in file.message_type:
                _collect(f"{PACKAGE}{message.name}", message, messages)
            _comments(file, comments)
    order: list[str] = []
    for root in ROOTS:
        _visit(root, messages, order)
    return HEADER + "".join(_class(name, messages, comments) for name in order)


def _collect(name: str, message: DescriptorProto, out: dict[str, DescriptorProto]) -> None:
    out[name] = message
    for nested in message.nested_type:
        _collect(f"{name}.{nested.name}", nested, out)


def _comments(file, out) -> None:
    """Maps (message, field) to its leading comment; the message itself has the field ""."""
    for location in file.source_code_info.location:
        path = list(location.path)
        if not location.leading_comments or path[:1] != [4]:  # 4: message_type of a file
            continue
        message, name = file.message_type[path[1]], f"{PACKAGE}{file.message_type[path[1]].name}"
        path = path[2:]
        while path[:1] == [3]:  # 3: nested_type of a message
            message = message.nested_type[path[1]]
            name, path = f"{name}.{message.name}", path[2:]
        if not path:
            out[name, ""] = location.leading_comments
        elif path[0] == 2 and len(path) == 2:  # 2: field of a message
            out[name, message.field[path[1]].name] = location.leading_comments


def _visit(name: str, messages: dict[str, DescriptorProto], order: list[str]) -> None:
    for field in messages[name].field:
        is_message = field.type == F.TYPE_MESSAGE and field.type_name != TIMESTAMP
        if is_message and (name, field.name) not in BY_HAND:
            _visit(field.type_name, messages, order)
    if name not in order:
        order.append(name)


def _type(owner: str, field: F, messages: dict[str, DescriptorProto]) -> str:
    is_message = field.type == F.TYPE_MESSAGE
    if is_message and field.type_name == TIMESTAMP:
        return "datetime.datetime | None"
    kind = _python_name(field.type_name) if is_message else SCALARS[field.type]
    if field.label == F.LABEL_REPEATED:
        return f"tuple[{kind}, ...]"
    if is_message and owner not in ROOTS and not _is_group(field.type_name, messages):
        return f"{kind} | None"
    return f"{kind} | None" if field.proto3_optional else kind


def _is_group(name: str, messages: dict[str, DescriptorProto]) -> bool:
    """Whether a message holds fields that say themselves that they are absent.

    One that begins with a plain field is a value: it is there, or all of it is not.
    """
    first = messages[name].field[0]
    if first.type_name in messages:
        return first.label == F.LABEL_REPEATED or _is_group(first.type_name, messages)
    return first.proto3_optional or first.label == F.LABEL_REPEATED


def _python_name(full: str) -> str:
    return NAMES.get(full, full.rsplit(".", 1)[1])


def _docstring(text: str) -> str:
    text = " ".join(text.split()).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{text}{" " if text.endswith(chr(34)) else ""}"""'


def _class(
    name: str, messages: dict[str, DescriptorProto], comments: dict[tuple[str, str], str]
) -> str:
    message = messages[name]
    lines = ["", "", "@dataclass(frozen=True)", f"class {_python_name(name)}:"]
    lines += [f"    {_docstring(comments.get((name, ''), message.name))}", ""]
    for field in message.field:
        if (name, field.name) not in BY_HAND:
            lines.append(f"    {field.name}: {_type(name, field, messages)}")
            lines.append(f"    {_docstring(comments.get((name, field.name), field.name))}")
    return "\n".join(lines) + "\n"
