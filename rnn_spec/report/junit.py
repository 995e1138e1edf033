"""A run as JUnit XML: a suite for each area, a case for each check, clause and question as properties."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from typing import TYPE_CHECKING

from rnn_spec.spec.catalogue import areas, clauses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnn_spec.judge.verdict import Verdict
    from rnn_spec.suite.results import Results

SKIPPED = ("known", "unsupported", "not claimed")
"""What is no failure of the run, and no pass."""
ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(runs: Sequence[Results]) -> str:
    """The document, of one run or several."""
    root = ET.Element("testsuites", name="rnn-spec")
    for results in runs:
        of_area: dict[str, list[Verdict]] = defaultdict(list)
        for v in results.verdicts:
            of_area[clauses()[v.clause].area].append(v)
        for area in (area for area in areas() if area in of_area):
            root.append(_suite(f"{results.version}: {area} {areas()[area]}", results, of_area[area]))
    ET.indent(root, " ")
    return ET.tostring(root, "utf-8", xml_declaration=True).decode() + "\n"


def _suite(name: str, results: Results, verdicts: list[Verdict]) -> ET.Element:
    counts = {
        "tests": len(verdicts),
        "failures": sum(v.outcome == "failed" for v in verdicts),
        "errors": sum(v.outcome == "broken" for v in verdicts),
        "skipped": sum(v.outcome in SKIPPED for v in verdicts),
    }
    seconds = f"{sum(v.seconds for v in verdicts):.6f}"
    suite = ET.Element(
        "testsuite", {"name": _legal(name), **{k: str(n) for k, n in counts.items()}, "time": seconds}
    )
    facts = {"subject": results.subject, "catalogue": results.catalogue, **results.facts}
    _properties(suite, facts)
    suite.extend(map(_case, verdicts))
    return suite


def _case(v: Verdict) -> ET.Element:
    module, _, test = v.check.partition("::")
    case = ET.Element(
        "testcase", classname=_legal(module.removesuffix(".py")), name=_legal(test), time=f"{v.seconds:.6f}"
    )
    told = {
        "clause": v.clause, "force": clauses()[v.clause].force, "level": v.level, "question": v.case or "",
        "headroom": "" if v.headroom is None else f"{v.headroom:.6g}", "known": v.known or "",
        "reproduction": v.reproduction or "",
    }  # fmt: skip
    _properties(case, {name: value for name, value in told.items() if value})
    if v.outcome == "passed":
        return case
    kind = {"failed": "failure", "broken": "error"}.get(v.outcome, "skipped")
    first = (v.difference or v.message or v.outcome).splitlines()[0]
    said = f"{v.outcome}: {first}" if kind == "skipped" else first
    found = ET.SubElement(case, kind, message=_legal(said))
    if kind != "skipped":
        found.text = _legal("\n".join(filter(None, (v.message, v.traceback))))
    return case


def _properties(of: ET.Element, values: dict[str, str]) -> None:
    held = ET.SubElement(of, "properties")
    for name, value in values.items():
        ET.SubElement(held, "property", name=_legal(name), value=_legal(value))


def _legal(text: str) -> str:
    """The text without the characters that XML 1.0 has not: a subject's message may have any."""
    return ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
