"""What people look at: the page, the summary, JUnit XML, what two runs differ in, what is left in CI."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.picture import history
from rnn_spec.gate.recording import Header, Recording, Standing
from rnn_spec.judge.numbers import Element, Numbers
from rnn_spec.judge.verdict import Verdict
from rnn_spec.questions.claims import Claims
from rnn_spec.report import gated, github, view
from rnn_spec.report.badge import badge
from rnn_spec.report.junit import junit
from rnn_spec.report.page import page
from rnn_spec.report.pictures import BINS, EDGE, bin_of, heat_map, strips
from rnn_spec.report.summary import markdown
from rnn_spec.spec.catalogue import clauses
from rnn_spec.suite.results import Results

ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "fixtures" / "conformance").glob("*.json"))
VOID = {"meta", "input", "br"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of a faulty subject's checks of one area."""
    made = tmp_path_factory.mktemp("run") / "results"
    command = ["check", "fault:w_hh-transposed", "--clause", "REC", "--results", str(made)]
    assert main(command, standalone_mode=False) == 1
    return made


@pytest.fixture
def seen(folder: Path) -> view.Judged:
    """That run, as the views see it."""
    return view.read(folder / "results.json")


class Page(HTMLParser):
    """A page's ids, links and what it would load; an AssertionError where a tag is not closed."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.fields: list[str] = []
        self.said = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what it says of itself."""
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.loads += [given[name] for name in ("src", "srcset", "data") if name in given]
        self.loads += [given["href"]] if tag == "link" else []
        self.fields += [given["data-field"]] if "data-field" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of SVG: opened and closed."""

    def handle_endtag(self, tag: str) -> None:
        """What is closed is what was opened last."""
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        """What a reader reads, and styles and script, too."""
        self.said += data


def test_the_page_is_one_sound_file_that_loads_nothing(folder: Path) -> None:
    """Every link leads to a place in it, no id stands twice, nothing comes from elsewhere; it is small."""
    text = (folder / "report.html").read_text(encoding="utf-8")

    found = Page(text)

    assert found.loads == []
    assert "@import" not in text
    assert "url(http" not in text
    assert len(set(found.ids)) == len(found.ids)
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert len(text) < 500_000


def test_the_page_tells_what_fails_and_why_and_how_to_see_it(folder: Path, seen: view.Judged) -> None:
    """Verdict, clause, what it leads to, the numbers, where they differ, the command; every clause."""
    text = Page((folder / "report.html").read_text(encoding="utf-8")).said

    assert seen.says in text
    assert seen.behaves
    assert all(sentence in text for sentence in seen.behaves)
    for failure in seen.failures:
        assert clauses()[failure.clause].leads_to in text
        assert failure.difference.splitlines()[0] in text
        assert failure.command in text
    numbers = next(f.numbers for f in seen.failures if f.numbers)
    assert numbers.worst[0].got in text
    assert f"Where {numbers.array} differs" in text
    for id, clause in clauses().items():
        assert id in text
        assert clause.text in text


def test_whatever_a_subject_says_is_text_on_the_page() -> None:
    """No tag, no script, no attribute comes of it."""
    evil = "<script>alert(1)</script> \"'><img src=x onerror=alert(1)>"
    results = run(failing(difference=evil, message=evil, case=evil, traceback=evil), version=evil)
    results.facts = {evil: evil}

    found = Page(page([view.of_results(results)]))

    assert found.loads == []
    assert evil in found.said


def test_clauses_are_filtered_by_text_verdict_force_level_area_and_flag(folder: Path) -> None:
    """A field for each; what they filter by stands with each clause."""
    text = (folder / "report.html").read_text(encoding="utf-8")

    assert Page(text).fields == ["text", "verdict", "force", "level", "area", "flag"]
    row = re.search(r'<tr data-text="rec-02 [^>]*>', text)
    assert row
    assert 'data-verdict="failed" data-force="MUST" data-area="REC" data-level="cell"' in row[0]
    assert "relu" in row[0]


@pytest.mark.parametrize("count", [2, 5])
def test_several_stand_side_by_side_differences_first(folder: Path, count: int) -> None:
    """Results and committed cards alike: a column each, and a row for each clause that somebody was asked."""
    subjects = [view.read(path) for path in (folder / "results.json", *CARDS[: count - 1])]

    text = page(subjects)

    Page(text)
    table = text[text.index('id="side-clauses"') : text.index("</table>", text.index('id="side-clauses"'))]
    rows = re.findall(r'<tr data-text="[^"]*" data-differs="(yes|no)"', table)
    assert rows == sorted(rows, reverse=True)
    assert "yes" in rows
    for judged in subjects:
        assert f"<th>{judged.name}</th>" in table


# -- pictures ---------------------------------------------------------------------------------------


def numbers(shape: list[int], errors: list[float | None], axes: list[str]) -> Numbers:
    """A failure's numbers."""
    return Numbers("output", shape, axes, {}, 1, [Element([0], "1.0", "0.0", "0.1", 10.0)], errors)


def test_a_heat_map_has_time_across_and_a_plane_for_each_batch_row() -> None:
    """The row that differs most first; each class of cells is a path of runs."""
    errors: list[float | None] = [0.0] * 12
    errors[5] = 5.0  # time 0, batch 1, feature 2 of (2, 2, 3)
    errors[11] = None  # time 1, batch 1, feature 2

    found = heat_map(numbers([2, 2, 3], errors, ["time", "batch", "feature"]))

    assert found is not None
    assert (found.across, found.down, found.by) == ("time", "feature", "batch")
    assert [(p.label, p.over, p.width, p.height) for p in found.planes] == [
        ("batch 1", 2, 2, 3),
        ("batch 0", 0, 2, 3),
    ]
    assert found.planes[0].paths[2] == "M0 2h1v1h-1z"
    assert found.planes[0].paths[4] == "M1 2h1v1h-1z"


@pytest.mark.parametrize(
    ("shape", "axes", "planes"),
    [([4], [], 1), ([2, 2], ["row", "column"], 1), ([1, 2, 2], ["layer", "batch", "feature"], 1)],
)
def test_other_arrays_have_a_picture_too(shape: list[int], axes: list[str], planes: int) -> None:
    """A vector, a matrix, a state."""
    found = heat_map(numbers(shape, [2.0] * 4, axes))

    assert found is not None
    assert [p.over for p in found.planes] == [4] * planes


def test_of_a_few_elements_there_is_no_picture() -> None:
    """A large array tells only its worst: where these are would look as if the others were right."""
    assert heat_map(replace(numbers([9999], [2.0], []), at=[7])) is None
    assert heat_map(None) is None


@pytest.mark.parametrize(
    ("room", "place"),
    [(1e-9, 0), (1.0, EDGE - 1), (1.0000001, EDGE), (1e9, BINS - 1), (math.inf, BINS - 1)],
)
def test_what_is_within_its_bound_is_left_of_the_line(room: float, place: int) -> None:
    """Exactly at the bound is within it."""
    assert bin_of(room) == place


def test_the_distribution_of_headroom_is_by_dtype_and_area_without_known_failures() -> None:
    """An error that is infinitely far off counts as over the bound, and has no number."""
    told = numbers([1], [None], [])
    by_dtype, by_area = strips(
        [
            Verdict("a", "REC-01", "passed", "small-L1-tanh-float32", 0.0),
            Verdict("b", "REC-01", "failed", "small-L1-tanh-float64~x", None, numbers=told),
            Verdict("c", "REC-01", "known", "small-L1-tanh-float64", 9.0),
            Verdict("d", "HID-01", "passed", "small-L1-tanh-float32", 0.1),
        ]
    )

    assert [(s.name, s.count, s.exact, s.over, s.worst) for s in by_dtype] == [
        ("float64", 1, 0, 1, None),
        ("float32", 2, 1, 0, 0.1),
    ]
    assert [s.name.split()[0] for s in by_area] == ["REC", "HID"]


# -- two runs ---------------------------------------------------------------------------------------


def run(*verdicts: Verdict, version: str = "mine 1") -> Results:
    """A run that came to these verdicts."""
    results = Results("mine", version, complete=True, selected=["REC"], verdicts=[*verdicts])
    results.introduce(declares={}, expects=[], facts={"device": "cpu"}, **Claims().told())
    return results


def failing(check: str = "t::f", clause: str = "REC-04", **told: Any) -> Verdict:
    """A check that failed."""
    return Verdict(check, clause, "failed", **{"difference": "it differs", "message": "it differs", **told})


def compare(tmp_path: Path, a: Results, b: Results) -> tuple[int, str]:
    """What the command says of two runs."""
    a.write(tmp_path / "a.json")
    b.write(tmp_path / "b.json")
    done = CliRunner().invoke(main, ["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    return done.exit_code, done.output


def test_compare_says_what_newly_fails_newly_passes_and_moved(tmp_path: Path) -> None:
    """Check by check, under its clause; and what else differs. Something that newly fails is status 1."""
    a = run(
        Verdict("t::f", "REC-04", "passed"), failing("t::g", "REC-02"),
        Verdict("t::h", "HID-01", "passed", headroom=0.1),
        Verdict("t::only", "DIR-01", "passed"), Verdict("t::u", "STK-01", "passed"),
    )  # fmt: skip
    b = run(
        failing(), Verdict("t::g", "REC-02", "passed"), Verdict("t::h", "HID-01", "passed", headroom=0.4),
        Verdict("t::u", "STK-01", "unsupported"), version="mine 2",
    )  # fmt: skip
    b.facts = {"device": "cuda"}

    status, said = compare(tmp_path, a, b)

    assert status == 1
    lines = said.splitlines()
    assert "version differs: mine 1, then mine 2" in lines
    assert "device differs: cpu, then cuda" in lines
    assert lines[lines.index("newly fails: 1 check") + 1].startswith("  REC-04 ")
    assert "    t::f: was passed, now failed" in lines
    assert lines[lines.index("newly passes: 1 check") + 1].startswith("  REC-02 ")
    assert lines[lines.index("answered by one only: 1 check") + 1].startswith("  STK-01 ")
    assert lines[lines.index("moved: 1 headroom") + 1] == "  HID-01 t::h: headroom 0.1, then 0.4"
    assert "asked of A only: 1 check, of DIR-01" in lines
    assert "asked of B only: no checks" in lines


def test_compare_of_a_run_with_itself_finds_nothing(folder: Path) -> None:
    """Status 0, whatever fails in both."""
    path = str(folder / "results.json")
    done = CliRunner().invoke(main, ["compare", path, path])

    assert done.exit_code == 0
    assert "differs" not in done.output
    assert "newly fails: no checks" in done.output


# -- the other forms --------------------------------------------------------------------------------


def test_junit_has_each_check_with_clause_and_question(folder: Path) -> None:
    """A suite for each area, counts that add up, properties, and text that XML can hold."""
    done = CliRunner().invoke(main, ["report", str(folder / "results.json"), "--junit"])
    assert done.exit_code == 0
    root = ET.fromstring(done.stdout)

    results = Results.read(folder / "results.json")
    cases = root.findall("testsuite/testcase")
    assert len(cases) == len(results.verdicts)
    failed = [case for case in cases if case.find("failure") is not None]
    assert len(failed) == sum(int(suite.get("failures", 0)) for suite in root.iter("testsuite"))
    properties = {p.get("name"): p.get("value") for p in failed[0].iter("property")}
    assert properties["clause"] in clauses()
    assert properties["question"]
    evil = run(failing(message="\x00\x1b[31m\ud800 <&>", difference="\x07"))
    assert ET.fromstring(junit([evil])) is not None


def test_the_summary_is_short_and_says_the_verdict_and_the_lowest_failures(seen: view.Judged) -> None:
    """In Markdown, with what a subject says escaped; a part of a run is not said to conform."""
    text = markdown([seen])

    assert f"❌ {seen.says.replace('_', chr(92) + '_')}" in text
    assert "**Not whole:**" in text
    assert f"- **{seen.failures[0].clause}**" in text
    assert len(text) < 20_000
    good = markdown([view.of_results(run(Verdict("t::f", "REC-04", "passed")))])
    assert "✅" not in good
    assert "◐ mine 1" in good


@pytest.mark.parametrize("form", ["--markdown", "--junit", "--page"])
def test_a_report_goes_where_it_is_told_to(folder: Path, tmp_path: Path, form: str) -> None:
    """-o FILE."""
    out = tmp_path / "new" / "out"
    done = CliRunner().invoke(main, ["report", str(folder / "results.json"), form, "-o", str(out)])

    assert done.exit_code == 0
    assert done.output == f"written: {out}\n"
    assert out.read_text(encoding="utf-8")


def test_on_github_a_run_leaves_a_summary_and_an_annotation_for_each_failed_clause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where its variables say so; what was in the summary stays."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    command = ["check", "fault:w_hh-transposed", "--clause", "REC-02", "--results", str(tmp_path / "r")]

    assert main(command, standalone_mode=False) == 1

    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert len(said) == 1
    assert said[0].startswith("::error title=REC-02 (MUST)::Each pre-activation contains")
    assert "%0Aoutput: " in said[0]
    assert summary.read_text().startswith("before\n## fault:w\\_hh-transposed and torch.nn.RNN")


def test_more_annotations_than_github_shows_say_so() -> None:
    """The last of ten names how many are left out; no word of a subject is a command."""
    ids = [id for id, clause in clauses().items() if clause.area in ("REC", "HID") and clause.force == "MUST"]
    should = next(id for id, clause in clauses().items() if clause.force == "SHOULD")
    many = view.of_results(run(*(failing(f"t::{id}", id, difference="%\n::stop") for id in ids)))

    lines = list(github.annotated(many))

    assert len(lines) == github.SHOWN
    assert lines[-1].startswith(f"::error title=and {len(ids) - github.SHOWN + 1} more::")
    assert all(len(line.splitlines()) == 1 for line in lines)
    (line,) = github.annotated(view.of_results(run(failing("t::s", should))))
    assert line.startswith(f"::warning title={should} (SHOULD)::")


def test_the_suite_does_not_write_into_the_summary_of_its_own_run() -> None:
    """What the tests judge is no run of CI's."""
    assert "GITHUB_STEP_SUMMARY" not in os.environ


def test_the_commands_of_the_page_on_results_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each `rnn-spec report` and `compare` line of docs/results.md, as it stands there."""
    (tmp_path / "gate.json").write_text(json.dumps(GATE))
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    commands = re.findall(r"^rnn-spec ((?:report|compare) [^#\n]*)", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    for name in ("rnn-spec-results", "mine", "theirs", "before", "after"):
        shutil.copytree(folder, tmp_path / name)

    assert commands
    for command in commands:
        done = CliRunner().invoke(main, shlex.split(command))
        assert (done.exit_code, done.output != "") == (0, True), command


# -- badges and history -----------------------------------------------------------------------------


def test_a_badge_says_conforms_only_of_what_conforms(folder: Path) -> None:
    """SVG, with the words as text; a part of a run is no verdict on the whole."""
    good = view.of_results(run(Verdict("t::f", "REC-04", "passed")))
    bad = view.read(folder / "results.json")

    assert "✗ does not conform" in str(ET.fromstring(badge(bad))[0].text)
    assert "◐ judged in part" in badge(good)
    assert "✓" not in badge(good, "sequence") + badge(bad, "cell")
    done = CliRunner().invoke(main, ["report", str(folder / "results.json"), "--badge", "--level", "stack"])
    assert ET.fromstring(done.stdout).get("aria-label", "").startswith(f"{bad.version}: nn.RNN stack: ")


def test_the_cards_that_ship_stand_side_by_side_by_name(tmp_path: Path) -> None:
    """Each subject of them has a column; a name that is none is refused, and says which there are."""
    names = [view.read(path).name for path in CARDS][:5]
    out = tmp_path / "five.html"

    done = CliRunner().invoke(main, ["report", *names, "-o", str(out)])

    assert done.exit_code == 0, done.output
    assert all(f"<th>{name}</th>" in out.read_text(encoding="utf-8") for name in names)
    done = CliRunner().invoke(main, ["report", "nobody"])
    assert done.exit_code == 2
    assert f"nobody is no file, and no card comes with rnn-spec of any but {names[0]}, " in done.output


@pytest.mark.parametrize(
    "arguments",
    ["", "--badge", "--history --badge x", "x --level cell", "x y --badge", "--gate x --junit", "--gate x"],
)
def test_what_makes_no_report_is_refused(arguments: str) -> None:
    """One sentence, and status 2."""
    done = CliRunner().invoke(main, ["report", *arguments.split()])

    assert done.exit_code == 2
    assert "Error: " in done.output


def test_the_history_shows_what_holds_since_when(tmp_path: Path) -> None:
    """Releases across, clauses down; what holds in all of them is named below."""
    seen = history(Archive.of({
        "1.0.0": recording({"REC-01": Standing(1), "REC-02": Standing(1, ("x",)),
                            "REC-04": Standing(0, ("y",))}),
        "2.0.0": recording({"REC-01": Standing(1), "REC-02": Standing(2), "REC-04": Standing(1, ("y", "z"))}),
        "2.1.0": recording({"REC-02": Standing(2), "REC-04": Standing(0, (), {"no torch": ("y",)})}),
    }))  # fmt: skip

    found = {row.clause: ([c.word for c in row.cells], row.since, row.steady) for row in seen.rows}
    assert found == {
        "REC-01": (["holds", "holds", "not asked"], "", True),
        "REC-02": (["fails", "holds", "holds"], "2.0.0", False),
        "REC-04": (["fails", "fails", "not judged"], "", False),
    }
    text = page([], history=seen)
    Page(text)
    assert "1 clauses hold in every release" in text
    done = CliRunner().invoke(main, ["report", "--history", "-o", str(tmp_path / "h.html")])
    assert done.exit_code == 0
    assert 'id="history"' in (tmp_path / "h.html").read_text(encoding="utf-8")


def test_the_gates_result_is_on_the_page(tmp_path: Path) -> None:
    """As the gate itself writes it: verdict, causes with what to do, what fails first; and it is sound."""
    written, out = tmp_path / "gate.json", tmp_path / "gate.html"
    gate = ["gate", "--from", "2.2.2", "--to", "2.3.1", "--recorded", "--json", str(written)]
    direct = tmp_path / "direct.html"
    assert main([*gate, "--page", str(direct)], standalone_mode=False) in (0, 1)

    done = CliRunner().invoke(main, ["report", "--gate", str(written), "-o", str(out)])

    assert done.exit_code == 0, done.output
    found, held = Page(out.read_text(encoding="utf-8")), gated.read(written)
    assert direct.read_bytes() == out.read_bytes()
    assert held.summary in found.said
    assert held.causes
    for cause in held.causes:
        assert " ".join(cause.line.split()) in " ".join(found.said.split())
        assert cause.advice in found.said
    order = [f"{title} ({len(causes)})" for title, causes in held.sections.items()]
    places = [found.said.index(title) for title in order]
    assert places == sorted(places)
    assert out.stat().st_size < 500_000


CHANGE = {"id": "x", "verdict": "behaviour", "line": "it changed"}
CAUSE = {**CHANGE, "changes": ["x"], "fails": True}
GATE = {
    "source": {"version": "torch 1"}, "target": {"version": "torch 2"}, "passes": False,
    "summary": "1 change", "causes": [CAUSE], "changes": [CHANGE],
}  # fmt: skip


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        ({"passes": True}, "it passes, and a cause fails it"),
        ({"changes": []}, "`causes[0]` names 'x', which is none of its changes"),
        ({"causes": 3}, "Expected `array`, got `int` - at `$.causes`"),
    ],
)
def test_a_gates_result_that_contradicts_itself_is_refused(
    tmp_path: Path, spoilt: dict[str, Any], sentence: str
) -> None:
    """With the place, and status 2; what is sound is shown."""
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(GATE))
    assert gated.read(path).sections == {"fails the gate": gated.read(path).causes}
    path.write_text(json.dumps(GATE | spoilt))

    done = CliRunner().invoke(main, ["report", "--gate", str(path), "-o", str(tmp_path / "x.html")])

    assert done.exit_code == 2
    assert done.output.startswith(f"Error: {path} is not what `rnn-spec gate --json` writes: ")
    assert sentence in done.output


def recording(held: dict[str, Standing]) -> Recording:
    """A release in which this became of clauses."""
    return Recording(Header("torch", "torch"), clauses=held)
