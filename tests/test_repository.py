"""What the repository promises about itself: workflows, commands, pins."""

import re
import subprocess
import sys

import pytest

from knotes.pipeline.notebooks import ROOT

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
