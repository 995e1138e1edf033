"""`subjects.registry`: which subject a name means, and one sentence where it means none."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING

import pytest

from rnn_spec.subjects import registry
from rnn_spec.subjects.base import Subject
from rnn_spec.subjects.spec import SpecSubject

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from rnn_spec.subjects.base import Subject

class Mine(Subject):
    name = "mine"

class Broken(Subject):
    def __init__(self):
        raise RuntimeError("no licence\\nfound")

class Wanting(Subject):
    def __init__(self):
        import a_framework_that_is_not_there

class Holder:
    Inner = Mine

made = Mine()
number = 3
other = dict
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with subjects, in the folder that one works in."""
    (tmp_path / "subjects_of_mine.py").write_text(MODULE)
    (tmp_path / "module_that_breaks.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("subjects_of_mine", "module_that_breaks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "subjects_of_mine"


def test_our_own_are_known_by_name() -> None:
    """spec and torch ship, and are listed."""
    assert {"spec", "torch"} <= set(registry.names())
    assert isinstance(registry.load("spec"), SpecSubject)


def test_torch_takes_a_device() -> None:
    """``torch:DEVICE`` is torch on that device."""
    assert registry.load("torch:cpu").title == "torch"


@pytest.mark.parametrize("attribute", ["Mine", "made", "Holder.Inner"])
def test_a_module_and_attribute_name_a_subject(module: str, attribute: str) -> None:
    """A class, an instance, or a class inside another, of a module in the current folder, is a subject."""
    assert registry.load(f"{module}:{attribute}").title == "mine"


def test_an_entry_point_names_a_subject(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's entry point is known by its name."""
    points = EntryPoints([EntryPoint("theirs", f"{module}:Mine", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))

    assert "theirs" in registry.names()
    assert registry.load("theirs").title == "mine"


class Package:
    """What an entry point says of the distribution that registers it."""

    def __init__(self, name: str) -> None:
        """Of this name."""
        self.name = name


@pytest.mark.parametrize(
    ("registered", "sentence"),
    [
        (
            {"evil": "torch"},
            "two subjects are called 'torch': one is rnn-spec's, the other that of the package evil",
        ),
        (
            {"evil": "fault"},
            "two subjects are called 'fault': one is rnn-spec's, the other that of the package evil",
        ),
        (
            {"one": "theirs", "two": "theirs"},
            "'theirs': one is that of the package one, the other that of the package two",
        ),
    ],
)
@pytest.mark.parametrize("asked", ["", ":cpu"])
def test_a_name_that_two_have_means_none(
    module: str, monkeypatch: pytest.MonkeyPatch, registered: dict[str, str], sentence: str, asked: str
) -> None:
    """A package that registers a name of ours, or two that register one, are named and none is judged."""
    points = []
    for package, name in registered.items():
        points.append(EntryPoint(name, f"{module}:Mine", registry.GROUP))
        vars(points[-1]).update(dist=Package(package))
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(points).select(group=group))

    with pytest.raises(registry.SubjectError, match=re.escape(sentence)):
        registry.load(points[0].name + asked)
    assert registry.load("spec").title == "spec"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nobody", "no subject is called 'nobody': known are answers, "),
        ("", "no subject is called ''"),
        ("nowhere:X", "module 'nowhere' cannot be imported (ModuleNotFoundError"),
        (":X", "cannot be imported"),
        ("module_that_breaks:X", "module 'module_that_breaks' cannot be imported (ZeroDivisionError"),
        ("subjects_of_mine:Nothing", "module 'subjects_of_mine' has no 'Nothing'"),
        ("subjects_of_mine:Holder.Outer", "has no 'Holder.Outer'"),
        ("subjects_of_mine:", "ends where its other half should follow"),
        ("subjects_of_mine:number", "'number' is neither a Subject nor makes one"),
        ("subjects_of_mine:other", "is a dict, not an rnn_spec.Subject"),
        ("subjects_of_mine:Broken", "cannot be made (RuntimeError: no licence found)"),
        ("subjects_of_mine:Wanting", "cannot import what it judges (ModuleNotFoundError"),
        ("torch:no_such_device", "cannot be made (RuntimeError"),
        ("torch:no_such_device", "; torch's routes are functional, grad, "),
        ("spec:argument", "cannot be made (TypeError"),
    ],
)
def test_a_name_that_means_nothing_is_refused_in_one_sentence(module: str, name: str, sentence: str) -> None:
    """Every way of not being a subject is a SubjectError of one line that says what and why."""
    with pytest.raises(registry.SubjectError) as raised:
        registry.load(name)

    assert sentence in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_the_base_class_says_what_is_missing() -> None:
    """A subject without run() raises a sentence that names the method."""

    class Empty(Subject):
        """Nothing."""

    with pytest.raises(NotImplementedError, match=r"Empty.run\(case\) is what a subject must define"):
        Empty().run(None)  # type: ignore[arg-type]
    assert Empty().title == "Empty"
