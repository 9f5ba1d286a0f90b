"""The package as a stranger gets it: its wheel, in an environment with nothing else."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import jupytext
import nbformat
import pytest

from .test_repository import EXTRAS, PROJECT, ROOT

PAGE = ROOT / "book/start/setup.md"
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run(*command, cwd, **variables):
    """What a command prints; the test fails with its last lines if it fails."""
    # No trace of the environment of the tests: its packages, its settings for kernels.
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JUPYTER", "VIRTUAL"))
    }
    done = subprocess.run(
        command, cwd=cwd, env=kept | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources: earlier builds beside them would get into it."""
    if UV is None:
        pytest.skip("needs uv, which `make setup` installs")
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "knotes", folder / "knotes", ignore=shutil.ignore_patterns("*.pyc"))
    run(UV, "build", "--quiet", "--wheel", cwd=folder)
    (path,) = folder.glob("dist/knotes-*.whl")
    return path


def test_the_wheel_has_the_helpers_and_the_pipeline(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("knotes/")}
    files = [path for path in (ROOT / "knotes").rglob("*") if path.is_file()]
    assert packed == {f.relative_to(ROOT).as_posix() for f in files if f.suffix != ".pyc"}


def test_a_page_runs_in_a_new_environment_with_the_wheel_alone(wheel, tmp_path):
    environment = tmp_path / "new"
    python = environment / "bin" / "python"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment, cwd=tmp_path)
    run(
        UV, "pip", "install", "--quiet", "--python", python, "--constraints",
        ROOT / "requirements.lock", f"knotes[cpu] @ {wheel.as_uri()}", cwd=tmp_path,
    )  # fmt: skip
    where = run(python, "-c", "import knotes.pipeline; print(knotes.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment)
    # The page is started from here: its kernel is the new environment's, and needs no more there.
    run(python, "-m", "ipykernel", "install", "--prefix", tmp_path, "--name", "new", cwd=tmp_path)
    page = tmp_path / "page.ipynb"
    nbformat.write(jupytext.read(PAGE, fmt="md:myst"), page)
    run(
        Path(sys.executable).with_name("jupyter-execute"), "--kernel_name=new", "--inplace", page,
        cwd=tmp_path, JUPYTER_PATH=str(tmp_path / "share/jupyter"),
    )  # fmt: skip
    cells = [cell for cell in nbformat.read(page, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def imported(path):
    """Packages that a page or a module imports, apart from Python's own and this one."""
    book = jupytext.read(path, fmt="md:myst" if path.suffix == ".md" else "py:percent")
    sources = [cell.source for cell in book.cells if cell.cell_type == "code"]
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        yield from {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"knotes"}


def test_what_pages_and_helpers_import_comes_with_the_wheel():
    def names(lines):
        found = (re.match(r"[\w.-]+", line) for line in lines if "extra ==" not in line)
        return {match[0].lower().replace("_", "-") for match in found}

    needed = names(PROJECT["dependencies"] + EXTRAS["cpu"])
    brought = {"matplotlib", "scikit-learn", "keras", "ipykernel"}
    for name in brought:  # what these cannot do without
        needed |= names(requires(name))
    providers = packages_distributions()
    for path in [*ROOT.glob("book/*/*.md"), *(ROOT / "knotes").glob("*.py")]:
        for module in imported(path):
            found = {name.lower().replace("_", "-") for name in providers.get(module, [])}
            assert found & needed, f"{path.name} imports {module}, which the wheel does not need"
