"""A new subject in each language passes from the first minute, and a wrong one is told what is wrong."""

from __future__ import annotations

import ast
import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.far.commands import LANGUAGES, TEMPLATES

BIDIRECTIONAL = {
    "python": (
        "worker.py",
        {
            'frozenset({"cell", "sequence"})': 'frozenset({"cell", "sequence", "bidirectional"})',
            "    def run(self, case: Case)": '''\
    def run(self, case: Case) -> Observation:
        """Both directions, the reverse one not flipped back."""
        if not case.config.bidirectional:
            return self.one(case)
        from dataclasses import replace

        answers = []
        for d, suffix in enumerate(("", "_reverse")):
            own = {f"{k}_l0": case.parameters[f"{k}_l0{suffix}"]
                   for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if f"{k}_l0" in case.parameters}
            h_0 = None if case.h_0 is None else case.h_0[d:d + 1]
            input = case.input[::-1] if d else case.input
            answers.append(self.one(replace(case, parameters=own, input=input, h_0=h_0)))
        return Observation(*(np.concatenate([getattr(a, name) for a in answers], axis)
                             for name, axis in (("output", 2), ("h_n", 0))))

    def one(self, case: Case)''',
        },
    ),
    "python-worker": (
        "worker.py",
        {
            '["cell", "sequence"]': '["cell", "sequence", "bidirectional"]',
            "def run(case):": '''\
def run(case):
    """Both directions, the reverse one not flipped back."""
    if not case["config"]["bidirectional"]:
        return one(case)
    answers = []
    for d, suffix in enumerate(("", "_reverse")):
        own = {k + "_l0": case["parameters"][k + "_l0" + suffix]
               for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if k + "_l0" in case["parameters"]}
        h_0 = None if case["h_0"] is None else case["h_0"][d:d + 1]
        input = case["input"][::-1] if d else case["input"]
        answers.append(one(dict(case, parameters=own, input=input, h_0=h_0, earlier=[])))
    return {name: np.concatenate([a[name] for a in answers], axis)
            for name, axis in (("output", 2), ("h_n", 0))}


def one(case):''',
        },
    ),
    "c++": (
        "worker.cpp",
        {
            '{"cell", "sequence"}': '{"cell", "sequence", "bidirectional"}',
            "Observation run(const Case& c) {": "Observation one(const Case& c) {",
            "int main() {": """\
// Both directions, the reverse one not flipped back.
Observation run(const Case& c) {
    if (!c.config.bidirectional) return one(c);
    const long T = c.input.shape[0], N = c.input.shape[1], I = c.input.shape[2], H = c.config.hidden_size;
    Case forward = c, reverse = c;
    for (const auto& [name, value] : c.parameters) {
        const auto end = name.find("_reverse");
        if (end != std::string::npos) reverse.parameters[name.substr(0, end)] = value;
    }
    for (long t = 0; t < T; ++t) {
        const auto step = c.input.data.begin() + t * N * I;
        std::copy_n(step, N * I, reverse.input.data.begin() + (T - 1 - t) * N * I);
    }
    if (c.h_0) {
        forward.h_0->data.resize(N * H);
        reverse.h_0->data.erase(reverse.h_0->data.begin(), reverse.h_0->data.begin() + N * H);
    }
    const Observation answers[] = {one(forward), one(reverse)};
    Observation o;
    o.output.shape = {T, N, 2 * H};
    o.h_n.shape = {2, N, H};
    for (long row = 0; row < T * N; ++row) {
        for (const Observation& a : answers) {
            o.output.data.insert(o.output.data.end(), a.output.data.begin() + row * H,
                                 a.output.data.begin() + (row + 1) * H);
        }
    }
    for (const Observation& a : answers) {
        o.h_n.data.insert(o.h_n.data.end(), a.h_n.data.begin(), a.h_n.data.end());
    }
    return o;
}

int main() {""",
        },
    ),
    "javascript": (
        "worker.mjs",
        {
            '["cell", "sequence"]': '["cell", "sequence", "bidirectional"]',
            "function run(": "function one(",
            "await serve(": """\
/** Both directions, the reverse one not flipped back. */
function run(c) {
  if (!c.config.bidirectional) return one(c);
  const [T, N, I] = c.input.shape;
  const H = c.config.hidden_size;
  const own = Object.entries(c.parameters).filter(([name]) => name.endsWith("_reverse"));
  const parameters = Object.fromEntries(own.map(([name, a]) => [name.replace("_reverse", ""), a]));
  const steps = Array.from({ length: T }, (_, t) => c.input.data.slice(t * N * I, (t + 1) * N * I));
  const input = { shape: c.input.shape, data: steps.reverse().flat() };
  const h_0 = c.h_0 && { shape: [1, N, H], data: c.h_0.data.slice(N * H) };
  const answers = [one(c), one({ ...c, parameters, input, h_0 })];
  const row = (r) => answers.flatMap((a) => a.output.data.slice(r * H, (r + 1) * H));
  const rows = Array.from({ length: T * N }, (_, r) => row(r));
  return {
    output: { shape: [T, N, 2 * H], data: rows.flat() },
    h_n: { shape: [2, N, H], data: answers.flatMap((a) => a.h_n.data) },
  };
}

await serve(""",
        },
    ),
}
"""For each language: the file, and what makes its layer bidirectional, and wrong, by replacement."""

NEEDS = {"python": sys.executable, "python-worker": "python3", "c++": "g++", "javascript": "node"}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A language, in whose folder `mine` a new subject has begun."""
    chosen: str = request.param
    if shutil.which(NEEDS[chosen]) is None:
        pytest.skip(f"{NEEDS[chosen]} is not installed")
    monkeypatch.chdir(tmp_path)
    begun = CliRunner().invoke(main, ["new-subject", "mine", "--language", chosen])
    assert begun.exit_code == 0, begun.output
    return chosen


def judge(language: str, *options: str) -> tuple[int, str]:
    """Run the command that `new-subject` says comes next, with options: its exit status and all it says."""
    command = LANGUAGES[language].format(name="mine").replace("rnn-spec", f"{sys.executable} -m rnn_spec")
    ran = subprocess.run(
        " ".join((command, *options)), shell=True, capture_output=True, text=True, check=False, env=os.environ
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_skeleton_conforms_at_what_it_claims(language: str) -> None:
    """It passes the smoke stage, and every check of a cell and of a sequence."""
    status, said = judge(language)

    verdicts = json.loads(Path("rnn-spec-results/results.json").read_text())["verdicts"]
    assert status == 0, said
    assert "smoke: 6 of 6 cases are right" in said
    assert sum(v["outcome"] == "passed" for v in verdicts) > 250


def test_wrong_layer_in_each_language_is_named_by_the_diagnosis(language: str) -> None:
    """A reverse output that is not flipped back is called that, and not taken for a wrong adapter."""
    name, changes = BIDIRECTIONAL[language]
    source = Path("mine") / name
    text = source.read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    source.write_text(text)

    status, said = judge(language, "--clause=DIR")

    assert status == 1, said
    assert "the RNN is wrong" in said
    assert "(reverse-output-not-flipped)" in said


def pythons() -> list[str]:
    """The Pythons on this machine that have NumPy, this one first."""
    found = [sys.executable, *filter(None, map(shutil.which, (f"python3.{minor}" for minor in range(6, 14))))]
    probe = ("-c", "import numpy")
    return [p for p in found if subprocess.run([p, *probe], capture_output=True, check=False).returncode == 0]


def test_python_worker_needs_numpy_alone_in_any_python_from_3_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is Python 3.6's grammar, and conforms where rnn-spec cannot be imported, in every Python here."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["new-subject", "mine", "--language", "python-worker"]).exit_code == 0
    source = Path("mine/worker.py")
    ast.parse(source.read_text(), feature_version=(3, 6))
    Path("mine/rnn_spec.py").write_text("raise ImportError('rnn-spec is not here')")

    for python in pythons():
        said = CliRunner().invoke(main, ["check", f"worker:{python} mine/worker.py", "--clause=REC"])
        assert said.exit_code == 0, said.output


def test_python_worker_says_which_line_of_its_own_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter's mistake is told from a wrong RNN over the wire, too, with its traceback."""
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(main, ["new-subject", "mine", "--language", "python-worker"])
    source = Path("mine/worker.py")
    source.write_text(source.read_text().replace('config["hidden_size"]', 'config["hidden"]'))

    said = CliRunner().invoke(main, ["check", f"worker:{sys.executable} mine/worker.py"])

    assert said.exit_code == 2
    assert "the adapter is wrong, in a line of its own" in said.output
    assert said.output.count('config["hidden"]') == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("my-layer", "is not a name for a folder and a module"), ("taken", "is already there")],
)
def test_name_that_cannot_be_used_is_one_sentence(
    name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written, and nothing is lost."""
    monkeypatch.chdir(tmp_path)
    Path("taken").mkdir()
    (Path("taken") / "worker.py").write_text("mine")

    refused = CliRunner().invoke(main, ["new-subject", name])

    assert refused.exit_code == 2
    assert sentence in refused.output
    assert (Path("taken") / "worker.py").read_text() == "mine"


def test_compiled_template_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing the package compiles the Python skeleton beside itself, and that stays there."""
    monkeypatch.chdir(tmp_path)
    py_compile.compile(str(TEMPLATES / "python" / "worker.py"))

    begun = CliRunner().invoke(main, ["new-subject", "mine"])

    assert begun.exit_code == 0, begun.output
    assert [path.name for path in Path("mine").iterdir()] == ["worker.py"]
