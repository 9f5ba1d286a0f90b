"""What the repository promises about itself: workflows, commands, pins."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from knotes.pipeline.notebooks import ROOT
from knotes.pipeline.scaffold import listed

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
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


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        ".ci/run",
        *(f".github/workflows/{p.name}" for p in WORKFLOWS),
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


def pins(name):
    lines = (ROOT / name).read_text("utf8").splitlines()
    found = (re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;#]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


@pytest.mark.parametrize("name", ["base", "", "dev"])
def test_the_lock_holds_the_pinned_versions(name):
    lock = pins("requirements.lock")
    wanted = pins(f"requirements-{name}.txt" if name else "requirements.txt")
    assert wanted
    assert wanted.items() <= lock.items()


def test_every_requirement_is_pinned_exactly():
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text("utf8").splitlines():
            entry = line.split("#")[0].strip()
            assert not entry or entry.startswith("-") or "==" in entry, f"{path.name}: {line}"


def test_gpu_and_cpu_use_the_same_tensorflow():
    (gpu,) = pins("requirements-gpu.txt").values()
    assert set(pins("requirements.txt").values()) == {gpu}


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
        contents.write_text(listed(before, ROOT / f"{name}.md"), "utf8")
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
        "figure.png": b"\x89PNG\r\n\x1a\n\n\r\n",
        "font.woff2": b"wOF2\n\r\n\n",
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
