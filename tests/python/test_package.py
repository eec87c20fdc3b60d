"""The package as people get it, and the style of its sources."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import ncscope
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "client" / "python"
STYLED = [PACKAGE, ROOT / "tests" / "python", ROOT / "tests" / "trainer"]


def tool(*arguments, cwd=ROOT):
    """Runs a program of the test environment; returns the completed process."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [str(a) for a in arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def check(result):
    assert result.returncode == 0, result.stdout + result.stderr


def test_versions_agree():
    assert metadata.version("ncscope") == ncscope.__version__
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert f"project(ncscope VERSION {ncscope.__version__} " in cmake


def test_a_source_distribution_carries_the_protos_and_builds(tmp_path):
    """The wheel is made from the source distribution alone, away from the checkout."""
    before = set(PACKAGE.rglob("*"))
    check(tool(sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path, PACKAGE))
    after = {path for path in PACKAGE.rglob("*") if "_cache" not in str(path)}
    assert after <= before  # a build leaves nothing behind
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = source.getnames()
    assert any(name.endswith("/proto/ncscope/v1/service.proto") for name in names)
    assert not [name for name in names if "_pb2" in name]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        names = set(built.namelist())
    assert {
        "ncscope/py.typed",
        "ncscope/v1/service_pb2.py",
        "ncscope/v1/service_pb2.pyi",
        "ncscope/v1/report_types.py",
    } <= names
    assert not [name for name in names if "build_hook" in name or name.endswith(".proto")]


def test_no_generated_code_is_committed():
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    listed = tool("git", "ls-files", "client/python", "tests/python")
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert not [name for name in listed.stdout.split() if "_pb2" in name or "/v1/" in name]


def test_sources_are_formatted_and_clean():
    check(tool("ruff", "check", "--no-cache", *STYLED))
    check(tool("ruff", "format", "--no-cache", "--check", *STYLED))


def test_types_hold(tmp_path):
    config = PACKAGE / "pyproject.toml"
    check(tool("mypy", "--config-file", config, "--cache-dir", tmp_path, "-p", "ncscope", cwd="/"))


def test_a_user_sees_types(tmp_path):
    """`report.nc1.pinv` is a float or None for type checkers too."""
    program = tmp_path / "program.py"
    program.write_text(
        "import ncscope\n"
        "def read(report: ncscope.Report) -> float:\n"
        "    reveal_type(report.nc1.pinv)\n"
        "    reveal_type(report.undefined)\n"
        "    return report.nc1.no_such\n"
    )
    output = tool("mypy", "--cache-dir", tmp_path / "cache", program, cwd=tmp_path).stdout
    assert '"float | None"' in output or "Union[builtins.float, None]" in output, output
    assert "Mapping[" in output
    assert 'has no attribute "no_such"' in output


def test_torch_is_not_imported():
    code = "import sys, ncscope; sys.exit('torch' in sys.modules)"
    check(tool(sys.executable, "-W", "error", "-c", code))


def test_the_protos_follow_the_style_of_buf(tmp_path):
    if importlib.util.find_spec("buf") is None and tool("which", "buf").returncode != 0:
        pytest.skip("buf is not here (pip install buf-bin)")
    config = '{"version":"v2","lint":{"use":["STANDARD","COMMENTS"]}}'
    check(tool("buf", "lint", ROOT / "proto", "--config", config, cwd=tmp_path))
