"""What the repository promises about itself: workflows, commands, pins."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest
import yaml

from knotes.pipeline.scaffold import listed

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf8"), re.MULTILINE)


def test_workflows_follow_their_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run(
        [*command, "vendor.github-workflows", *WORKFLOWS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert WORKFLOWS
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_one_command_and_leaves_no_token(path):
    text = path.read_text("utf8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert not any("permissions" in job for job in workflow["jobs"].values())
    used = [step for step in steps if "uses" in step]
    # A tag can be moved to other code, a commit cannot; the comment is for people.
    pinned = re.findall(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", text, re.MULTILINE)
    assert len(pinned) == len(used) > 0
    checkouts = [step for step in used if step["uses"].startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False]
    assert "actions/upload-artifact@" in used[-1]["uses"]
    assert used[-1]["if"] in ("failure()", "always()")
    # What CI does is written in .ci/run and the Makefile only.
    command = "make test-gpu" if path.name == "gpu.yml" else ".ci/run"
    assert [step["run"] for step in steps if "run" in step] == [command]


def test_the_workflow_runs_every_supported_python():
    text = (ROOT / ".github/workflows/verify.yml").read_text("utf8")
    (job,) = yaml.safe_load(text)["jobs"].values()
    pythons = job["strategy"]["matrix"]["python"]
    assert f">={pythons[0]}" == PROJECT["requires-python"]
    assert {step["env"]["PYTHON"] for step in job["steps"] if "run" in step} == {
        "python${{ matrix.python }}"
    }
    assert f"--python-version {pythons[0]} " in (ROOT / "Makefile").read_text("utf8")


def test_ci_builds_the_site_once_and_before_the_tests():
    script = (ROOT / ".ci/run").read_text("utf8")
    assert os.access(ROOT / ".ci/run", os.X_OK)
    made = re.findall(r"\bmake ([a-z-]+)", script)
    assert made == ["lint", "book", "test", "sections", "weather"]


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        ".ci/run",
        ".github/workflows/gpu.yml",
    ],
)
def test_named_commands_exist(document):
    text = (ROOT / document).read_text("utf8")
    named = set(re.findall(r"\bmake ([a-z-]+)(?=[\s`])", text))
    assert named
    assert named <= {*TARGETS, "without"}, f"{document} names targets that the Makefile lacks"


def test_help_lists_every_command():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^\s*make ([a-z-]+)", done.stdout, re.MULTILINE)
    hidden = {"setup", "help"}
    assert set(TARGETS) - hidden == set(listed) - hidden


def pins(lines):
    """The versions that requirements pin: name → version."""
    found = (re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;#\\]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def lines_of(name):
    """The requirements in a file, without comments and options."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text("utf8").splitlines()]
    return [line for line in lines if line and not line.startswith("-")]


NEEDED = PROJECT["dependencies"] + EXTRAS["pipeline"]
TOOLS = lines_of("requirements-dev.txt")
LOCKS = {
    "requirements.lock": NEEDED + EXTRAS["cpu"] + TOOLS,
    "requirements-gpu.lock": NEEDED + EXTRAS["gpu"],
}


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_holds_the_pinned_versions(name):
    wanted = pins(LOCKS[name])
    assert wanted
    assert wanted.items() <= pins(lines_of(name)).items(), "run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_is_of_versions_and_hashes_alone(name):
    text = (ROOT / name).read_text("utf8")
    entry = r"[a-z0-9.-]+==[^\s;]+( ; [^\n\\]+?)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    rest = re.sub(entry, "", text)
    assert not rest, f"{name}: no version with hashes: {rest[:200]}"


def test_every_requirement_is_pinned_exactly_and_once():
    lines = NEEDED + EXTRAS["cpu"] + TOOLS
    assert [line for line in lines + EXTRAS["gpu"] if "==" not in line] == []
    names = [re.match(r"[\w.-]+", line)[0].lower() for line in lines]
    assert [name for name in names if names.count(name) > 1] == []
    assert lines_of("requirements.txt") == lines_of("requirements-gpu.txt") == []


def test_gpu_and_cpu_use_the_same_tensorflow():
    assert set(pins(EXTRAS["cpu"]).values()) == set(pins(EXTRAS["gpu"]).values())


@pytest.mark.parametrize("target", ["outputs", "coverage", "page"])
def test_no_shell_runs_the_name_of_a_page(target, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/ready").touch()
    program = tmp_path / "python"  # prints its arguments, without -m and the module
    program.write_text('#!/bin/sh\nshift 2\nfor word; do echo "$word"; done\n')
    program.chmod(0o755)
    command = [
        "make",
        "--no-print-directory",
        "-f",
        ROOT / "Makefile",
        "-o",
        ".venv/ready",
        f"BIN={tmp_path}",
        target,
    ]
    inherited = {"MAKEFLAGS", "MAKELEVEL", "PAGES", "NAME", "KIND"}  # `make test` runs this
    environment = {key: value for key, value in os.environ.items() if key not in inherited}

    def printed(*variables):
        run = partial(subprocess.run, capture_output=True, text=True, check=True)
        return run([*command, *variables], cwd=tmp_path, env=environment).stdout.splitlines()

    name = "book/a;touch hacked $(touch hacked) `touch hacked` 'b\" c"
    given = name.replace("$", "$$")  # make itself reads a dollar sign
    if target == "page":
        assert printed(f"NAME={given}", f"KIND={given}") == [name, name]
        assert printed() == ["", ""]
    else:
        assert printed(f"PAGES={given}") == name.split()
        assert printed("PAGES=book/a.md book/b.md") == ["book/a.md", "book/b.md"]
        assert printed() == []
    assert not (tmp_path / "hacked").exists()


@pytest.fixture
def repository(tmp_path):
    """A repository with this one's attributes, contents and change log; returns git in it."""
    for name in (".gitattributes", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    names = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    for role in ("AUTHOR", "COMMITTER"):
        names |= {f"GIT_{role}_NAME": "Test", f"GIT_{role}_EMAIL": "test@example.org"}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | names

    def git(*arguments):
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"

    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=start")
    return git


def test_ten_branches_that_each_add_a_page_merge(repository, tmp_path):
    git = repository
    contents, changes = tmp_path / "_toc.yml", tmp_path / "CHANGELOG.md"
    before = contents.read_text("utf8")
    folders = ["layers"] * 4 + ["metrics"] * 2 + ["losses", "constraints", "optimizers", "training"]
    names = [f"book/{folder}/page-{number}" for number, folder in enumerate(folders)]
    for number, name in enumerate(names):
        git("switch", "--quiet", "--create", f"page-{number}", "main")
        page = tmp_path / f"{name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"# Page {number}\n", "utf8")
        contents.write_text(listed(before, name), "utf8")
        with changes.open("a", encoding="utf8") as file:
            file.write(f"- Page {number}.\n")
        git("add", ".")
        git("commit", "--quiet", f"--message={name}")
    git("switch", "--quiet", "main")
    for number in range(len(names)):
        git("merge", "--quiet", "--no-edit", f"page-{number}")
    parts = yaml.safe_load(contents.read_text("utf8"))["parts"]
    listing = [entry["file"] for part in parts for entry in part["chapters"]]
    old = [e["file"] for part in yaml.safe_load(before)["parts"] for e in part["chapters"]]
    assert sorted(listing) == sorted(old + names)
    captions = [part["caption"] for part in parts]
    assert len(captions) == len(set(captions)), captions
    assert all(f"- Page {number}." in changes.read_text("utf8") for number in range(len(names)))


def test_no_setting_of_git_changes_the_bytes_of_a_file(repository, tmp_path):
    git = repository
    files = {
        "page.ipynb": b'{"text": "a\\r\\n"}\n',
        "page.md": b"# Page\n\nText.\n",
        "figure.png": b"a picture\r\nthat looks like text\n",
        "font.woff2": b"wOF2\r\nas does a font\n",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for value in ("true", "input", "false"):
        git("config", "core.autocrlf", value)
        git("config", "core.eol", "crlf")
        git("add", ".")
        git("commit", "--quiet", "--allow-empty", f"--message={value}")
        for name in files:
            (tmp_path / name).unlink()
        git("checkout", "--", ".")
        assert {name: (tmp_path / name).read_bytes() for name in files} == files
