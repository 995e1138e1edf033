"""What a project's files say of torch is read as pip reads it, and what they do not say is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnn_spec.gate import requirements
from rnn_spec.gate.recording import RecordingError

ORDER = ["2.1.2", "2.2.2", "2.3.1", "2.13.0"]


@pytest.mark.parametrize(
    ("line", "release"),
    [
        ("torch==2.2.2", "2.2.2"),
        ("torch == 2.2.2", "2.2.2"),
        ("torch==2.2.2+cpu", "2.2.2+cpu"),
        ("torch[opt-einsum]==2.2.2 ; python_version < '3.13'", "2.2.2"),
        ("torch==2.2.2 \\", "2.2.2"),
        ("torch==2.2.2 --hash=sha256:0  # pinned", "2.2.2"),
        ("torch>=2.2,<2.3", "2.2.2"),
        ("torch ~= 2.2", "2.13.0"),
        ("torch~=2.2.0", "2.2.2"),
        ("torch==2.2.*", "2.2.2"),
        ("torch", "2.13.0"),
        ("torch @ https://example.org/whl/torch-2.2.2%2Bcpu-cp311-cp311-linux_x86_64.whl", "2.2.2+cpu"),
        ("torch@file:///wheels/torch-2.2.2-cp311-cp311-linux_x86_64.whl ; python_version > '3'", "2.2.2"),
    ],
)
def test_a_line_comes_to_a_release(line: str, release: str) -> None:
    """A pin to itself, a range to the newest on record that it allows."""
    made = requirements.wanted(line)

    assert made is not None
    assert requirements.release(made, ORDER, ask=False) == release


@pytest.mark.parametrize(
    "line",
    [
        "torch @ git+https://example.org/torch.git@main",
        "torch@/opt/torch",
        "torch @ https://x.org/vision-1.whl",
    ],
)
def test_a_direct_reference_that_does_not_say_its_release_is_a_sentence(line: str) -> None:
    """It is of one build, and never the newest release."""
    made = requirements.wanted(line)

    assert made is not None
    for ask in (True, False):
        with pytest.raises(RecordingError, match=r"torch ?@.* does not say which release it is"):
            requirements.release(made, ORDER, ask=ask)


@pytest.mark.parametrize(
    "line", ["torchvision==0.18", "torch-geometric", "numpy", "# torch==2.2", "-r torch.txt", ""]
)
def test_another_line_is_no_requirement_of_torch(line: str) -> None:
    """A name that begins alike is another package."""
    assert requirements.wanted(line) is None


FILES = {
    "requirements.txt": ("numpy\ntorch==2.2.2 \\\n  --hash=sha256:0\n", "==2.2.2"),
    "a/pyproject.toml": ("[project]\ndependencies = ['numpy', 'torch>=2.2']\n", ">=2.2"),
    "b/pyproject.toml": ("[project.optional-dependencies]\ngpu = ['torch~=2.2']\n", "~=2.2"),
    "c/pyproject.toml": ("[dependency-groups]\ndev = ['torch==2.2', {include-group = 'x'}]\n", "==2.2"),
    "d/pyproject.toml": ("[tool.poetry.dependencies]\ntorch = '^2.2'\n", "<3,>=2.2"),
    "e/pyproject.toml": ("[tool.poetry.group.ml.dependencies]\ntorch = {version = '2.2.2'}\n", "==2.2.2"),
    "f/pyproject.toml": ("[tool.poetry.dependencies]\ntorch = '~2.2'\n", "<2.3,>=2.2"),
    "h/pyproject.toml": ("[tool.poetry.dependencies]\ntorch = {git = 'https://x.org/torch.git'}\n", ""),
    "i/pyproject.toml": (
        "[project]\ndependencies = ['torch>=2.2']\n[tool.uv.sources]\ntorch = [{index = 'cpu'}]\n",
        ">=2.2",
    ),
    "g/pyproject.toml": (
        "[tool.poetry.dependencies]\ntorch = [{version = '2.2.2', python = '<3.13'}]\n",
        "==2.2.2",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_a_requirement(tmp_path: Path, name: str) -> None:
    """By PEP 621, in groups, by Poetry, or in lines for pip."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(FILES[name][0])

    assert str(requirements.in_file(path).specifier) == FILES[name][1]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("requirements.txt", "numpy\n", "has no requirement of torch"),
        (
            "requirements.txt",
            "torch==2.2\ntorch==2.3\n",
            "has 2 requirements of torch: torch==2.2, torch==2.3",
        ),
        (
            "requirements.txt",
            "torch @ https://x.org/torch-2.2.2-py3-none-any.whl\ntorch @ https://x.org/torch-2.3.1-py3-none-any.whl\n",
            "has 2 requirements of torch",
        ),
        ("pyproject.toml", "[", "is no TOML"),
        (
            "pyproject.toml",
            "[project]\ndependencies = ['torch>=2.2']\n[tool.uv.sources]\ntorch = {path = 'torch'}\n",
            "has 2 requirements of torch: torch>=2.2, torch ?@ ?torch",
        ),
        ("requirements.txt", None, "cannot be read: No such file"),
    ],
)
def test_what_a_file_does_not_say_is_a_sentence(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    """No pin is no gate: never a green one."""
    if text is not None:
        (tmp_path / name).write_text(text)

    with pytest.raises(RecordingError, match=said):
        requirements.in_file(tmp_path / name)


def test_a_range_that_nothing_on_record_is_in_is_a_sentence() -> None:
    """With the releases that are."""
    made = requirements.wanted("torch>=3")

    assert made is not None
    with pytest.raises(RecordingError, match=r"no release on record is torch>=3: 2\.1\.2"):
        requirements.release(made, ORDER, ask=False)
