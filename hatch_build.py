"""Compiles the modules of the request path with mypyc while a wheel is built, where PILOTHOUSE_COMPILE=1 asks for it.

The sources stay plain Python and run as they are; compiled, a request costs half of it. mypyc wants a C compiler and
Python's headers, so a wheel without them remains the default. The modules are listed in pyproject.toml.

PILOTHOUSE_PROFILE names a folder for two such builds, with GCC: the libraries of the first count there what is done how
often while they run (`tests/load/train`), and the second is made with these counts. That saves another seventh.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What runs when something has gone wrong stands in the middle of mypyc's functions. A compiler that knows which calls
# are the rare ones moves all that leads to them out of the way, and what is left fits the caches better.
COLD = """\
#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>
__attribute__((cold)) void CPyError_OutOfMemory(void);
__attribute__((cold)) void CPy_TypeError(const char *, PyObject *);
__attribute__((cold)) void CPy_TypeErrorTraceback(
    const char *, const char *, int, PyObject *, const char *, PyObject *);
__attribute__((cold)) void CPy_AddTraceback(const char *, const char *, int, PyObject *);
__attribute__((cold)) static void CPy_DecRef(PyObject *);
"""

SETUP = """\
import os
from concurrent.futures import ThreadPoolExecutor
from mypyc.build import mypycify
from setuptools import setup
from setuptools.command.build_ext import build_ext

class Parallel(build_ext):
    # One library of many sources, which would be compiled one after the other.
    def build_extensions(self):
        one = self.compiler.compile
        def each(sources, **options):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                made = pool.map(lambda source: one([source], **options), sources)
                return [thing for things in made for thing in things]
        self.compiler.compile = each
        super().build_extensions()

libraries = mypycify(
    ["--config-file", os.devnull, "--strict", "--ignore-missing-imports", {modules}],
    opt_level="3", debug_level="0", multi_file=True)
for library in libraries:
    # Anew, for they share one list.
    library.extra_compile_args = [*library.extra_compile_args, "-include", os.path.abspath("cold.h"), *{flags}]
    library.extra_link_args = [*library.extra_link_args, *{flags}]

setup(name="compiled", packages=[], cmdclass={{"build_ext": Parallel}}, ext_modules=libraries)
"""


COUNT = ["-fprofile-generate"]
# What the training did not reach is made as without it, and what the compiler says of just that is no error.
COUNTED = ["-fprofile-use", "-fprofile-partial-training", "-Wno-missing-profile", "-Wno-error"]


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """hatchling's hook `custom`."""

    def dependencies(self) -> list[str]:
        """What mypyc needs, and the packages whose types tell it what it may assume."""
        return list(self.config["compile-dependencies"]) if _asked() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile in a folder of its own, and put the libraries into the wheel beside their sources."""
        if version == "editable" or not _asked():
            return
        self._work = tempfile.TemporaryDirectory()
        profile = os.environ.get("PILOTHOUSE_PROFILE")
        work, flags = _profiled(Path(profile)) if profile else (Path(self._work.name), [])
        for package in self.config["compile-packages"]:
            shutil.copytree(Path(self.root) / package, work / Path(package).name)
        modules = [module for module in self.config["compile-modules"] if not (work / module).is_file()]
        if modules:
            raise SystemExit(f"pyproject.toml lists modules to compile that there are none of: {', '.join(modules)}")
        names = ", ".join(repr(module) for module in self.config["compile-modules"])
        (work / "cold.h").write_text(COLD)
        (work / "setup.py").write_text(SETUP.format(modules=names, flags=flags))
        done = subprocess.run(
            [sys.executable, "setup.py", "build_ext", "--inplace"],
            cwd=work,
            env={**os.environ, "MYPYPATH": str(work)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            told = (done.stdout + done.stderr).strip().splitlines()
            raise SystemExit("\n".join([*told[-20:], "the modules of the request path cannot be compiled: see above"]))
        libraries = [path for path in work.rglob("*.so") if work / "build" not in path.parents]
        build_data["force_include"].update({str(path): str(path.relative_to(work)) for path in libraries})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def _profiled(folder: Path) -> tuple[Path, list[str]]:
    """Where to compile and how: both builds in the same place, for that is what the counts are known by."""
    counts = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.gcda")}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, count in counts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(count)
    return folder, COUNTED if counts else COUNT


def _asked() -> bool:
    return os.environ.get("PILOTHOUSE_COMPILE") == "1"
