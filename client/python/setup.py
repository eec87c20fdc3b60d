"""Generates the Python code of proto/ncscope/v1 while the package is built.

In a checkout the protos are two folders up; a source distribution carries a copy of them. Build
folders are temporary, so that `pip install ./client/python` leaves nothing behind in a checkout.
"""

import atexit
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from build_hook.generate import find_protos, generate  # noqa: E402

PACKAGE = Path("ncscope") / "v1"


class BuildPyWithProtos(build_py):
    """Adds the generated modules to the build, or to the source tree of an editable install."""

    def run(self):
        """Copies the package, then generates what is missing from it."""
        source = HERE / "src" / PACKAGE
        if self.editable_mode:
            generate(find_protos(HERE), source)
            super().run()
        else:
            super().run()
            target = Path(self.build_lib) / PACKAGE
            shutil.rmtree(target, ignore_errors=True)  # leftovers of an editable install
            generate(find_protos(HERE), target)


class SdistWithProtos(sdist):
    """Puts a copy of the protos into the source distribution."""

    def make_release_tree(self, base_dir, files):
        """Copies the tree, then the protos."""
        super().make_release_tree(base_dir, files)
        shutil.rmtree(Path(base_dir, "src") / PACKAGE, ignore_errors=True)
        for proto in sorted((find_protos(HERE) / "ncscope" / "v1").glob("*.proto")):
            target = Path(base_dir, "proto", "ncscope", "v1", proto.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(proto, target)


def scratch():
    """Returns a folder that is gone when the build ends."""
    folder = tempfile.mkdtemp(prefix="ncscope-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def version():
    """Reads the version from the package without importing it."""
    text = (HERE / "src" / "ncscope" / "version.py").read_text(encoding="utf-8")
    return re.search(r'__version__ = "([^"]+)"', text).group(1)


os.chdir(HERE)
setup(
    version=version(),
    cmdclass={
        "build_py": BuildPyWithProtos,
        "sdist": SdistWithProtos,
    },
    options={"build": {"build_base": scratch()}, "egg_info": {"egg_base": scratch()}},
)
