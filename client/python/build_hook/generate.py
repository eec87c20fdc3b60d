"""Runs protoc over the wire contract, then writes the typed report on top of it."""

import importlib.resources
from pathlib import Path

from .report_types import render

FILES = ("types", "report", "statistics", "service")


def find_protos(here: Path) -> Path:
    """Returns the import root of the protos: a source distribution's copy, or the checkout's."""
    for root in (here / "proto", here.parent.parent / "proto"):
        if (root / "ncscope" / "v1" / "service.proto").is_file():
            return root
    raise SystemExit(
        f"ncscope: found no proto/ncscope/v1 in {here} or two folders above it; "
        "install from a checkout or from a source distribution"
    )


def generate(protos: Path, target: Path) -> None:
    """Fills `target` (the package ncscope.v1) with *_pb2.py, *_pb2.pyi and report_types.py."""
    # Imported here: asking for metadata must not need protoc.
    from google.protobuf import descriptor_pb2
    from grpc_tools import protoc

    target.mkdir(parents=True, exist_ok=True)
    out = target.parent.parent  # modules import each other as ncscope.v1.*
    descriptors = target / "descriptors.tmp"
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    arguments = [
        "protoc",
        f"-I{protos}",
        f"-I{well_known}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--descriptor_set_out={descriptors}",
        "--include_source_info",
        *[f"ncscope/v1/{name}.proto" for name in FILES],
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("ncscope: protoc failed; its message is above")
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes())
    descriptors.unlink()
    (target / "__init__.py").write_text(
        '"""Generated from proto/ncscope/v1: the messages on the wire."""\n', encoding="utf-8"
    )
    (target / "report_types.py").write_text(render(files), encoding="utf-8")
