"""The command that the package installs, beside the program of the same name."""

import os
import subprocess
import sys
from pathlib import Path

from servers import binary

SCRIPT = Path(sys.executable).parent / "ncscope"


def run(*arguments, path):
    return subprocess.run(
        [SCRIPT, *arguments],
        env=os.environ | {"PATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
    )


def test_other_commands_are_those_of_the_program(tmp_path):
    program = binary("ncscope", "NCSCOPE_BIN")
    (tmp_path / "ncscope").symlink_to(program)
    shell = Path("/usr/bin"), Path("/bin")
    path = [SCRIPT.parent, tmp_path, *shell]
    for arguments in (["--version"], ["report", "--help"], ["report", "nothing.npz"], ["nonsense"]):
        direct = subprocess.run([program, *arguments], capture_output=True, text=True)
        done = run(*arguments, path=path)
        assert (done.returncode, done.stdout) == (direct.returncode, direct.stdout)
    done = run("report", "x.npz", path=[SCRIPT.parent, *shell])
    assert done.returncode == 2
    assert "expected sync; got 'report', and the program ncscope is not on the PATH" in done.stderr


def test_help_and_wrong_folders(tmp_path):
    path = [SCRIPT.parent]
    assert "sync" in run("--help", path=path).stdout
    assert "--partial" in run("sync", "--help", path=path).stdout
    for folder in (tmp_path, tmp_path / "none"):
        done = run("sync", folder, path=path)
        assert (done.returncode, done.stderr.count("expected a folder of a mon")) == (2, 1)
