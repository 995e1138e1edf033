"""The gate in CI: the action and the workflows are what GitHub reads, pinned, and do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest

from rnn_spec.gate.archive import Archive
from rnn_spec.gate.recording import Fact, Header

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTION = ROOT / ".github" / "actions" / "gate" / "action.yml"
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))


def read(path: Path) -> dict[str, Any]:
    """A YAML file's content."""
    yaml = pytest.importorskip("ruamel.yaml")
    content: dict[str, Any] = yaml.YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(
    ("schema", "paths"), [("vendor.github-workflows", WORKFLOWS), ("vendor.github-actions", ACTIONS)]
)
def test_github_would_read_them(schema: str, paths: list[Path]) -> None:
    """They hold to GitHub's own schemas, which check-jsonschema carries."""
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_action_is_pinned_and_no_input_is_read_as_shell(path: Path) -> None:
    """What is used is ours or a commit; what runs in a shell has its values from the environment."""
    content = read(path)
    jobs = content.get("jobs", {}).values() or [content["runs"]]
    steps = [step for job in jobs for step in job["steps"]]

    used = [step["uses"] for step in steps if "uses" in step]
    assert [u for u in used if not re.search(r"@[0-9a-f]{40}$|^\./", u)] == []
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []
    if path not in ACTIONS:
        assert content["permissions"] == {"contents": "read"}


def test_lint_validates_every_workflow_and_the_action() -> None:
    """tox names each file, .ci/run all of them."""
    tox, ci = (ROOT / "tox.ini").read_text(), (ROOT / ".ci" / "run").read_text()

    for path in (*WORKFLOWS, *ACTIONS):
        assert str(path.relative_to(ROOT)) in tox
    assert "vendor.github-workflows .github/workflows/*.yml" in ci
    assert "vendor.github-actions .github/actions/*/action.yml" in ci


@pytest.mark.parametrize(("fail_on", "status"), [("behaviour", 1), ("streams", 0)])
def test_the_actions_last_step_writes_the_summary_and_annotates(
    tmp_path: Path, fail_on: str, status: int
) -> None:
    """As GitHub runs it: inputs in the environment, the report on the summary, a line for each change."""
    whole = Archive.read().recording("2.13.0")
    for name, value in (("a", 1), ("b", 2)):
        header, facts = Header("torch", f"torch 2.{value}.0"), whole.experiments | {"forward/x": Fact(value)}
        recording = msgspec.structs.replace(whole, header=header, experiments=facts)
        recording.write(tmp_path / f"{name}.json")
    command = tmp_path / "rnn-spec" / "bin" / "rnn-spec"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rnn_spec "$@"\n')
    command.chmod(0o755)
    (step,) = [s for s in read(ACTION)["runs"]["steps"] if "GATE_FROM" in s.get("env", {})]
    values = dict.fromkeys(step["env"], "") | {
        "GATE_FROM": "a.json",
        "GATE_TO": "b.json",
        "GATE_FAIL_ON": fail_on,
    }
    env = os.environ | values | {
        "RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }  # fmt: skip

    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == status, done.stderr
    assert (
        f"::{'error' if status else 'notice'} title=behaviour forward/x::forward/x: was 1, now 2"
        in done.stdout
    )
    assert "## torch.nn.RNN: torch 2.1.0 → torch 2.2.0" in (tmp_path / "summary.md").read_text()


def test_the_actions_options_of_a_model_are_words_as_a_shell_reads_them(tmp_path: Path) -> None:
    """Quotes hold a blank together, and nothing in them is run."""
    command = tmp_path / "rnn-spec" / "bin" / "rnn-spec"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    (step,) = [s for s in read(ACTION)["runs"]["steps"] if "GATE_FROM" in s.get("env", {})]
    values = dict.fromkeys(step["env"], "x") | {
        "GATE_MODEL_OPTIONS": "--prefix 'my encoder' --nonlinearity tanh $(touch pwned)",
    }
    env = os.environ | values | {"RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": "summary.md"}

    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip

    words = ["--prefix", "my encoder", "--nonlinearity", "tanh", "$(touch", "pwned)"]
    assert "\n".join(words) in done.stdout
    assert not (tmp_path / "pwned").exists()


def wheel(folder: Path, release: str) -> None:
    """A wheel of torch with nothing in it, for pip to find."""
    folder.mkdir(exist_ok=True)
    info = f"torch-{release}.dist-info"
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {release}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with ZipFile(folder / f"torch-{release}-py3-none-any.whl", "w") as made:
        for name, text in files.items():
            made.writestr(f"{info}/{name}", text)


def test_what_is_kept_is_found_by_all_that_decides_what_it_holds(tmp_path: Path) -> None:
    """The same sides, Python and pip settings have one key; another of any of them has another.

    A range is what it comes to: where a newer release matches, what was kept of the older one is not it.
    """
    (step,) = [s for s in read(ACTION)["runs"]["steps"] if s.get("id") == "holds"]
    (kept,) = [s for s in read(ACTION)["runs"]["steps"] if s.get("uses", "").startswith("actions/cache@")]
    (tmp_path / "python").write_text('#!/bin/sh\necho "$IDENTITY"\n')
    (tmp_path / "python").chmod(0o755)
    command = tmp_path / "rnn-spec" / "bin" / "rnn-spec"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rnn_spec "$@"\n')
    command.chmod(0o755)
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    wheel(tmp_path / "wheels", "2.2.2")

    def key(pin: str = "torch==2.2.2", **other: str) -> str:
        (tmp_path / "requirements.txt").write_text(f"{pin}\n")
        out = tmp_path / "out"
        out.write_text("")
        env = os.environ | {
            "SIDE_FROM": "requirements.txt", "SIDE_TO": "2.3.1", "PYTHON": str(tmp_path / "python"),
            "GITHUB_ACTION_PATH": str(ACTION.parent), "GITHUB_OUTPUT": str(out), "IDENTITY": "3.11.7",
            "RUNNER_TEMP": str(tmp_path), "RECORDED": "false", **index,
        } | other  # fmt: skip
        command = ["bash", "-eo", "pipefail", "-c", step["run"]]
        subprocess.run(command, cwd=tmp_path, env=env, check=True)
        return out.read_text()

    others = [key("torch==2.2.1"), key(SIDE_TO="2.4.1"), key(PIP_EXTRA_INDEX_URL="x"), key(IDENTITY="3.12")]
    older = key("torch>=2.2")
    recorded = key("torch>=2.2", RECORDED="true")
    wheel(tmp_path / "wheels", "2.3.1")
    newer = key("torch>=2.2")

    assert re.fullmatch(r"key=[0-9a-f]{64}\n", key())
    assert key() == key()
    assert len({key(), *others}) == 1 + len(others)
    assert key() == older != newer == key("torch>=2.2.1")
    assert recorded == key("torch>=2.2", RECORDED="true") != newer
    assert "torch>=9" not in key("torch>=9")  # which the gate itself refuses, in its report
    assert kept["with"]["key"].endswith("${{ steps.holds.outputs.key }}")
