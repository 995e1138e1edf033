"""What changed between two recordings: each difference is one Change of one verdict, by a table of rules."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from rnn_spec.gate import signatures
from rnn_spec.gate.recording import Arrays, Bits, Fact, Question, Raised, Recording, Standing, Warned
from rnn_spec.judge.known import expected_of, matches
from rnn_spec.questions.product import Recipe
from rnn_spec.spec.catalogue import clauses

LONGEST = 160
"""How many characters of a value or a message a line shows."""
NAMED = 3
"""How many checks or arrays a line names."""


class Verdict(NamedTuple):
    """What a change is a change of; `fails` says whether it fails the gate unless told otherwise."""

    title: str
    fails: bool


VERDICTS = {
    "conformance": Verdict("Clauses that newly fail or pass", True),
    "behaviour": Verdict("Newly raises, newly accepts, another class, another value", True),
    "beyond": Verdict("Numbers beyond the bound", True),
    "checkpoints": Verdict("Checkpoints", True),
    "warnings": Verdict("New warnings, deprecations among them", True),
    "routes": Verdict("Execution routes: script, trace, compile, export, ONNX", False),
    "numerics": Verdict("Numbers that moved within the bound", False),
    "streams": Verdict("Random streams: seeded initial values and dropout", False),
    "wording": Verdict("Messages, annotations, and warnings that went or changed their class", False),
    "speed": Verdict("Speed, where it is asked for", True),
}
"""Every verdict, in the order in which a report shows them."""

KINDS = {
    "behaviour": ("behaviour", "behaviour"),
    "annotation": ("wording", "wording"),
    "stream": ("streams", "behaviour"),
    "checkpoint": ("checkpoints", "checkpoints"),
    "route": ("routes", "routes"),
}
"""By an experiment's kind: the verdict on another value, and the verdict on anything else that came of it."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One difference: `id` is that of a question, an experiment or a clause, `line` says it to a person.

    The line is `title`, what was asked, and `says`, what came of it before and now.
    `better` marks what only adds, and fails no gate: no check of the clause newly fails, what is asked is
    new, what was refused works. `headroom`, where numbers moved, is the worst before and after. `accepted` is
    the reason that the accepted-changes file gives. `advice` is what to do, where that is known of this one.
    `cause` is the id of the Cause that it comes of, `meets` the lines of the user's code that can meet it.
    """

    verdict: str
    id: str
    title: str
    says: str
    clause: str | None = None
    advice: str | None = None
    better: bool = False
    headroom: tuple[float | None, float | None] | None = None
    accepted: str | None = None
    cause: str = ""
    meets: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """What a report shows."""
        return f"{self.title}: {self.says}"


class Asks(Protocol):
    """What is known of an experiment without running it."""

    @property
    def sentence(self) -> str:
        """What it is about."""

    @property
    def kind(self) -> str:
        """Of KINDS."""

    @property
    def clause(self) -> str | None:
        """The clause that it touches."""


class Asked(NamedTuple):
    """The same of a question of the suite."""

    sentence: str
    kind: str
    clause: str | None


def compare(a: Recording, b: Recording, experiments: Mapping[str, Asks]) -> list[Change]:
    """Every difference between two recordings, in the order of VERDICTS and then by id.

    What needs a package that a side lacks is not compared, nor are bits within their bounds where the sides
    ran on two processors (`elsewhere` counts them): these would be told as torch's changes.
    """
    facts = [
        (id, *pair)
        for id, *pair in _differing(_spelt(a.experiments, experiments), _spelt(b.experiments, experiments))
        if not any(map(package, pair))
    ]
    found = [
        *(_fact(id, experiments.get(id), *pair) for id, *pair in facts),
        *(_toward(c, a, b) for c in _answers(a, b) if not (_apart(a, b) and _moved(c))),
        *(
            _clause(id, (a.header.version, b.header.version), *pair)
            for id, *pair in _differing(a.clauses, b.clauses)
        ),
    ]
    order = list(VERDICTS)

    def place(change: Change) -> tuple[int, str, bool, str]:
        of = change.clause or "" if change.verdict == "conformance" else ""
        return order.index(change.verdict), of, change.id != change.clause, _natural(change.id)

    return sorted(found, key=place)


def _apart(a: Recording, b: Recording) -> bool:
    """Whether the sides are known to have run on two processors."""
    one, other = a.header.processor, b.header.processor
    return bool(one and other and one != other)


def _moved(change: Change) -> bool:
    """Whether numbers of a case are others, and none is out of a bound."""
    if change.headroom is None or change.verdict not in ("numerics", "streams"):
        return False
    return all(worst is None or worst <= 1 for worst in change.headroom)


def elsewhere(a: Recording, b: Recording) -> str:
    """A sentence on the numbers that are not compared, because the sides ran on two processors."""
    count = sum(map(_moved, _answers(a, b))) if _apart(a, b) else 0
    of = "1 case" if count == 1 else f"{count} cases"
    return f"the numbers of {of} moved within the bound, as on another processor they do" if count else ""


def _spelt(facts: Mapping[str, Fact], experiments: Mapping[str, Asks]) -> Mapping[str, Fact]:
    """The facts, annotations in one spelling."""
    told = {
        id: msgspec.structs.replace(fact, value={k: signatures.spelt(v) for k, v in fact.value.items()})
        for id, fact in facts.items()
        if id in experiments and experiments[id].kind == "annotation" and isinstance(fact.value, dict)
    }
    return {**facts, **told}


def _answers(a: Recording, b: Recording) -> Iterator[Change]:
    """What the suite's own questions came to, where it is another thing."""
    for id, *pair in _differing(a.attempts, b.attempts):
        asked = b.questions.get(id) or a.questions.get(id) or Question(())
        clause = asked.clauses[0] if asked.clauses else None
        yield _fact(id, Asked(f"{asked.says or id}.", "behaviour", clause), *pair)
    for id, *pair in _differing(a.cases, b.cases):
        change = _case(id, *pair)
        asked = b.questions.get(id) or a.questions.get(id) or Question(())
        routed = [c for c in asked.clauses if c.startswith("EXE")]
        if routed and change.verdict in ("behaviour", "warnings"):
            change = msgspec.structs.replace(change, verdict="routes")
        if "~" in id and asked.clauses:
            change = msgspec.structs.replace(change, clause=(routed or asked.clauses)[0])
        yield change


def _toward(change: Change, a: Recording, b: Recording) -> Change:
    """A change of an answer by which torch comes to fulfil a clause, and breaks no MUST, is conformance."""
    asked = b.questions.get(change.id) or a.questions.get(change.id)
    if change.verdict not in ("behaviour", "routes") or not asked:
        return change
    mended = []
    for id in asked.clauses:
        was, now = a.clauses.get(id, Standing()), b.clauses.get(id, Standing())
        broken = set(now.failed) - set(was.failed) - was.open
        if broken and id in clauses() and clauses()[id].force == "MUST":
            return change
        if set(was.failed) - set(now.failed) - now.open and not broken:
            mended.append(id)
    if not mended:
        return change
    return msgspec.structs.replace(change, verdict="conformance", clause=mended[0], better=True)


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for id in sorted(a.keys() | b.keys(), key=_natural):
        if (id in a) != (id in b) or _bytes(a.get(id)) != _bytes(b.get(id)):  # None is not absence
            yield id, a.get(id), b.get(id)


def _natural(id: str) -> str:
    """What sorts positional-4 before positional-10."""
    return re.sub(r"\d+", lambda number: number[0].zfill(9), id)


def _bytes(x: Any) -> bytes:
    """What tells 1 from 1.0 and from true, and 0.0 from -0.0, as == does not."""
    return msgspec.json.encode(x, order="sorted")


# -- facts ------------------------------------------------------------------------------------------


class Rule(NamedTuple):
    """How two differing facts are told apart; `column` says which of a kind's verdicts, or is one itself."""

    holds: Callable[[Fact, Fact], bool]
    column: int | str


VALUE, OUTCOME, WARNS = 0, 1, 2

RULES = (
    Rule(lambda a, b: a.died != b.died, "behaviour"),
    Rule(lambda a, b: _outcome(a) != _outcome(b), OUTCOME),
    Rule(lambda a, b: bool(a.raised and b.raised and _where(a.raised) != _where(b.raised)), OUTCOME),
    Rule(lambda a, b: a.absent != b.absent, "wording"),
    Rule(lambda a, b: _bytes(_unworded(a.value)) != _bytes(_unworded(b.value)), VALUE),
    Rule(lambda a, b: bool(_new_warnings(a.warnings, b.warnings)), WARNS),
    Rule(lambda a, b: True, "wording"),  # messages, inside a value, too; warnings that went
)
"""The first that holds of two facts that differ decides; the last always does, so no difference is lost."""


def _new_warnings(a: tuple[Warned, ...], b: tuple[Warned, ...]) -> list[Warned]:
    """The warnings of a class or with a text that was not there; one reworded in place is not new."""
    if len(a) == len(b):
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
        if all(x.category == y.category or x.message == y.message for x, y in pairs):
            return []
    return [w for w in b if w not in a]


def _where(raised: Raised) -> tuple[str, str]:
    """The exception's class, and the phase where that is told."""
    return raised.type, raised.phase


def _outcome(fact: Fact) -> str:
    found = {"died": fact.died, "absent": fact.absent, "raised": fact.raised}
    return next((name for name, held in found.items() if held is not None), "value")


def _unworded(value: Any) -> Any:
    """The value with every exception told in it reduced to its class."""
    if isinstance(value, str):
        return re.sub(r"^(\w+(?:Error|Exception|Warning|Exit)\b): .*", r"\1", value, flags=re.DOTALL)
    if isinstance(value, list):
        return [_unworded(x) for x in value]
    return {k: _unworded(x) for k, x in value.items()} if isinstance(value, dict) else value


def _fact(id: str, asked: Asks | None, a: Fact | None, b: Fact | None) -> Change:
    name = asked.kind if asked else "behaviour"
    kind = (*KINDS[name], "routes" if name == "route" else "warnings")
    title = asked.sentence.rstrip(".") if asked else id
    clause = asked.clause if asked else None
    if a is None or b is None:
        told = f"was not asked, now {said(b)}" if b else f"{said(a)}, is not asked any more" if a else ""
        return Change(kind[VALUE], id, title, told, clause, better=True)
    column = next(rule.column for rule in RULES if rule.holds(a, b))
    verdict = column if isinstance(column, str) else kind[column]
    signature = _signature(id, a, b)
    outcomes = signature.says if signature else _outcomes(a, b)
    words = [w for w in (outcomes, _warnings(a.warnings, b.warnings)) if w]
    better = _adds(id, a, b) or bool(signature and signature.adds)
    return Change(
        verdict, id, title, "; ".join(words), clause, signature.advice or None if signature else None, better
    )


def _signature(id: str, a: Fact, b: Fact) -> signatures.Told | None:
    """What changed of a function's arguments, if that is what was asked."""
    lists = isinstance(a.value, list) and isinstance(b.value, list)
    return signatures.compare(a.value, b.value) if lists and id.startswith("signature/") else None


GROWING = re.compile(r"construct/(attributes|constants|public-names|own-names)|helpers/names|state/getstate")
"""What lists names: one more breaks nothing."""


def _adds(id: str, a: Fact, b: Fact) -> bool:
    """Whether what ran runs: what was absent, refused, or of a broader class before."""
    if a.absent is not None:
        return True  # what was not there cannot have been relied on, whatever it does now
    if b.died is not None or b.absent is not None or _new_warnings(a.warnings, b.warnings):
        return False
    if a.raised and b.raised:
        return _broader(a.raised.type, b.raised.type) and a.raised.phase == b.raised.phase
    if a.raised:
        return not id.startswith(("refuse/", "checkpoint/")) and not _tells_an_error(b.value)
    if _fails(a):
        return _answers_now(a, b)
    both = isinstance(a.value, list) and isinstance(b.value, list)
    return bool(both and GROWING.fullmatch(id) and all(x in b.value for x in a.value))


def _fails(fact: Fact) -> Any:
    """How the calls fail of a layer that an Attempt has made: an Error, as it is recorded, or None."""
    return fact.value.get("fails") if isinstance(fact.value, dict) else None


def _answers_now(a: Fact, b: Fact) -> bool:
    """Whether the calls of a layer failed, and all that has changed is that they do not."""
    kept = {k: x for k, x in a.value.items() if k != "fails"} if _fails(a) else {}
    return bool(kept) and isinstance(b.value, dict) and not _fails(b) and kept.items() <= b.value.items()


def _broader(one: str, other: str) -> bool:
    """Whether whoever catches the first exception catches the second, of Python's own classes."""
    a, b = (getattr(builtins, name, None) for name in (one, other))
    return one != other and isinstance(a, type) and isinstance(b, type) and issubclass(b, a)


def _tells_an_error(value: Any) -> bool:
    """Whether a value is what an exception said."""
    return bool(re.search(r"\b\w+(?:Error|Exception)\b: ", written(value)))


def package(fact: Fact | None) -> str:
    """The package that a side lacks beside torch: what it would answer is not known."""
    found = re.fullmatch(r"the package (\S+)", (fact and fact.absent) or "")
    return found[1] if found else ""


def _outcomes(a: Fact, b: Fact) -> str:
    """What was and what is, or nothing where only warnings differ."""
    if _bytes([a.value, a.raised, a.died, a.absent]) == _bytes([b.value, b.raised, b.died, b.absent]):
        return ""
    if _answers_now(a, b):
        was = _fails(a)
        return f"was {was['type']} {short(repr(was['message']))} in {was['phase']}, now answered"
    if _outcome(a) == _outcome(b) == "value" or a.raised == b.raised is not None:
        return _values(a.value, b.value)
    if a.raised and b.raised and a.raised.type == b.raised.type:
        told = [short(repr(text)) for text in apart(a.raised.message, b.raised.message)]
        phases = [f" in {x.phase}" if a.raised.phase != b.raised.phase else "" for x in (a.raised, b.raised)]
        return f"was {a.raised.type} {told[0]}{phases[0]}, now {b.raised.type} {told[1]}{phases[1]}"
    accepted = {_outcome(a), _outcome(b)} == {"value", "raised"}
    accepted = accepted and not _tells_an_error(a.value) and not _tells_an_error(b.value)
    if _outcome(a) == "value":
        was = "was accepted" if accepted else f"was {said(a)}"
        return f"{was}, now {said(b)}"
    return f"was {said(a)}, now " + ("accepted" + _brief(b.value) if accepted else said(b))


def _brief(value: Any) -> str:
    return "" if value is None else f": {shown(_layer(value))}"


def _layer(value: Any) -> Any:
    """What an Attempt shows, by the layer's own word."""
    return value.get("repr", value) if isinstance(value, dict) else value


def _flat(held: dict[str, Any]) -> dict[str, Any]:
    """A dict without dicts in it, its keys joined."""
    found: dict[str, Any] = {}
    for key, value in held.items():
        inner = _flat(value) if isinstance(value, dict) and value else {}
        found |= {f"{key} {name}": x for name, x in inner.items()} if inner else {key: value}
    return found


def difference(a: Fact | None, b: Fact | None) -> str:
    """What differs of two facts that came of one question, in words."""
    return _fact("", None, a, b).says


def said(fact: Fact) -> str:
    """What came of a question, in words."""
    if fact.died is not None:
        return f"death ({fact.died})"
    if fact.absent is not None:
        return f"absent ({fact.absent})"
    if fact.raised is not None:
        return f"{fact.raised.type} {short(repr(fact.raised.message))}"
    return "no value" if fact.value is None else shown(_layer(fact.value))


def _values(a: Any, b: Any) -> str:
    """What differs of two values: only the parts that do, where they are lists of names or dicts."""
    if isinstance(a, dict) and isinstance(b, dict):
        a, b = _flat(a), _flat(b)
        moved = [key for key, *_ in _differing(a, b)]
        return "; ".join(
            f"{key} was {shown(a[key])}, now {shown(b[key])}"
            if key in a and key in b
            else f"{key} " + (f"is new: {shown(b[key])}" if key in b else f"is gone: it was {shown(a[key])}")
            for key in moved[:NAMED]
        ) + (f"; and {len(moved) - NAMED} more" if len(moved) > NAMED else "")
    if isinstance(a, list) and isinstance(b, list) and all(isinstance(x, str) for x in a + b):
        gone, new = [x for x in a if x not in b], [x for x in b if x not in a]
        if (gone or new) and len(short(shown(a))) > LONGEST // 2:
            parts = [("no longer has", gone), ("now has", new)]
            return ", ".join(f"{word} {shown(names)}" for word, names in parts if names)
    was, now = apart(written(a), written(b))
    return f"was {short(was)}, now {short(now)}"


def shown(value: Any) -> str:
    """A value as a line shows it."""
    return short(written(value))


def written(value: Any) -> str:
    """A value as text."""
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()


def short(text: str) -> str:
    """At most LONGEST characters of a text."""
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def apart(a: str, b: str) -> tuple[str, str]:
    """Two texts, without the beginning that they share where that would hide what differs."""
    shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if shared < LONGEST // 2 or max(len(a), len(b)) <= LONGEST:
        return a, b
    start = shared - LONGEST // 8
    return f"... {a[start:]}", f"... {b[start:]}"


def _warnings(a: tuple[Warned, ...], b: tuple[Warned, ...]) -> str:
    if a == b:
        return ""
    if len(a) == len(b) and [w.message for w in a] == [w.message for w in b]:
        pairs = [f"{y.category}, was {x.category}" for x, y in zip(a, b, strict=True) if x != y]
        return f"warns by another class: {', '.join(dict.fromkeys(pairs))}"
    gone, new = [w for w in a if w not in b], [w for w in b if w not in a]
    if len(gone) == len(new) == 1 and gone[0].category == new[0].category:
        was, now = (short(repr(text)) for text in apart(gone[0].message, new[0].message))
        return f"{gone[0].category} was {was}, now {now}"
    parts = [("no longer warns", gone), ("now warns", new)]
    said = [f"{word}: {w.category} {short(repr(w.message))}" for word, ws in parts for w in ws]
    return "; ".join(said) or f"gives {len(b)} warnings, was {len(a)}, or in another order"


# -- cases ------------------------------------------------------------------------------------------


def _case(id: str, a: Arrays | None, b: Arrays | None) -> Change:
    if a is None or b is None:
        said = "was not asked" if a is None else "is not asked any more"
        return Change("numerics", id, f"case {id}", said, better=True)
    if (reasons := [_absent(x) for x in (a, b)])[0] != reasons[1]:
        was, now = (f"absent ({why})" if why else "there" for why in reasons)
        now += f", and raises {b.error.type}" if b.error else ""
        verdict = "wording" if all(reasons) else "behaviour"
        better = not reasons[1] or (bool(reasons[0]) and UNTOLD in reasons)
        return Change(verdict, id, f"case {id}", f"was {was}, now {now}", better=better)
    if a.error != b.error:
        one, other = a.error, b.error
        same = one and other and (one.phase, one.type) == (other.phase, other.type)
        told = apart(*(e.message if e else "" for e in (one, other)))
        was, now = (
            f"{e.type} {short(repr(text))} in {e.phase}" if e else "computed"
            for e, text in zip((one, other), told, strict=True)
        )
        return Change("wording" if same else "behaviour", id, f"case {id}", f"was {was}, now {now}")
    moved = {name: (x, y) for name, x, y in _differing(a.arrays, b.arrays)}
    gone = [name for name, (x, y) in moved.items() if x is None or y is None or x.shape != y.shape]
    if gone:
        words = [f"{n} was {_shape(moved[n][0])}, now {_shape(moved[n][1])}" for n in gone[:NAMED]]
        new = all(moved[n][0] is None for n in gone) and set(gone) == set(moved)
        return Change("behaviour", id, f"case {id}", "; ".join(words), better=new)
    before, after = (_worst(pair[i] for pair in moved.values()) for i in (0, 1))
    names = ", ".join(list(moved)[:NAMED]) + (f" and {len(moved) - NAMED} more" if len(moved) > NAMED else "")
    room = headroom(before, after)
    if all(x.bits == y.bits for x, y in moved.values()):
        return Change(
            "numerics", id, f"case {id}", f"{names} have the same bits, judged by another bound; {room}"
        )
    within = "streams" if _random(id) else "numerics"
    verdict = "beyond" if any(_beyond(x, y) for x, y in moved.values()) else within
    if verdict != "beyond" and not all(_within(x) and _within(y) for x, y in moved.values()):
        room += ", and nothing bounds all of them" if (after or 0) <= 1 else ", out of its bound before, too"
    return Change(verdict, id, f"case {id}", f"{names} moved; {room}", headroom=(before, after))


UNTOLD = "the recording does not say why"
"""Of what an rnn-spec recorded that kept no such reasons."""


def _absent(arrays: Arrays) -> str:
    """Why a torch cannot be asked a case; nothing where it can."""
    return arrays.absent or ("" if arrays.arrays or arrays.error else UNTOLD)


def _shape(bits: Bits | None) -> str:
    return "not there" if bits is None else str(tuple(bits.shape))


def _beyond(before: Bits, after: Bits) -> bool:
    """Whether it is newly out of its bound; a headroom that was a number and is none is infinite or NaN."""
    if after.headroom is None:
        return before.headroom is not None
    return after.headroom > 1 and not (before.headroom or 0) > 1


def _within(bits: Bits) -> bool:
    return bits.headroom is not None and bits.headroom <= 1


def _worst(arrays: Iterator[Bits]) -> float | None:
    return max((x.headroom for x in arrays if x.headroom is not None), default=None)


def headroom(before: float | None, after: float | None) -> str:
    """Both, in words: the worst error, in parts of what its bound allows."""
    was, now = ("not known" if x is None else f"{x:.2g}" for x in (before, after))
    return f"the worst error is {now} of its bound, was {was}"


def _random(id: str) -> bool:
    """Whether the case's answer depends on random numbers: dropout that acts, and keeps some."""
    try:
        recipe = Recipe.parse(id)
    except ValueError:
        return False
    return recipe.training and 0 < recipe.dropout < 1 and recipe.num_layers > 1


# -- clauses ----------------------------------------------------------------------------------------


def _clause(id: str, versions: tuple[str, str], a: Standing | None, b: Standing | None) -> Change:
    text = (clauses()[id].text if id in clauses() else id).rstrip(".")
    if a is None or b is None:
        told = b or a or Standing()
        says = f"{told.passed} checks pass and {len(told.failed)} fail"
        says = f"was not asked, now {says}" if a is None else f"{says}, is not asked any more"
        return Change("conformance", id, text, says, id, better=True)
    failed, fails = set(a.failed), set(b.failed)
    added = _added(fails - failed - a.open, versions[0], a, b)
    newly, first = sorted(fails - failed - a.open - added), sorted((fails - failed) & a.open | added)
    mended, lost = sorted(failed - fails - b.open), _lost(a, b)
    parts = [
        (f"{_count(newly, 'newly fails', 'newly fail')}: {_named(newly)}", newly),
        (f"{_count(mended, 'no longer fails', 'no longer fail')}: {_named(mended)}", mended),
        ("it is fulfilled from here on", mended and not fails),
        (f"{_count(first, 'fails', 'fail')} that had not been judged: {_named(first)}", first),
        (f"{_count(lost, 'is', 'are')} not judged any more: {_named(lost)} ({_why(b, lost)})", lost),
        (f"{b.passed} checks pass, {a.passed} did", not (newly or mended or first or lost)),
    ]
    words = "; ".join(said for said, there in parts if there)
    ours = [k for k in expected_of("torch", versions[1]) if "*" not in k.checks]
    reasons = {c: next((k for k in ours if k.expects(c)), None) for c in newly}
    all_known = [k for k in reasons.values() if k] if all(reasons.values()) else []
    advice = next((f"{k.happens} {k.issue}" for k in all_known), None)
    if advice is None and newly and id in clauses():
        advice = clauses()[id].leads_to
    worded = all_known and not lost and {k.matters for k in all_known} == {"words"}
    verdict = "wording" if worded else "conformance"
    return Change(verdict, id, text, words, id, advice, better=not (newly or lost))


def _added(checks: set[str], version: str, a: Standing, b: Standing) -> set[str]:
    """Those of these failing checks that are newer than the first side's record, and fail in its torch, too.

    What it is known to get wrong says so: `Known.newer`, and whatever is known since unknown.
    """
    before = expected_of("torch", version) if b.owed > a.owed else []
    newer = [pattern for k in before for pattern in (k.checks if k.since == "unknown" else k.newer)]
    return {check for check in checks if any(matches(check, pattern) for pattern in newer)}


def _lost(a: Standing, b: Standing) -> list[str]:
    """The checks that were judged, and are not now; of what a larger suite has added, this is not known."""
    grown = b.owed > a.owed and b.passed + len(b.failed) >= a.passed + len(a.failed)
    return sorted(b.open & set(a.failed) if grown else b.open - a.open)


def _why(standing: Standing, checks: list[str]) -> str:
    """The reasons for which these are not judged."""
    return "; ".join(why for why, ids in standing.unjudged.items() if {*ids} & {*checks})


def _count(checks: list[str], one: str, many: str) -> str:
    return f"1 check {one}" if len(checks) == 1 else f"{len(checks)} checks {many}"


def _named(checks: list[str]) -> str:
    return ", ".join(checks[:NAMED]) + (f" and {len(checks) - NAMED} more" if len(checks) > NAMED else "")
