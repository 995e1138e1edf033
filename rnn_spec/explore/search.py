"""The search: questions are drawn and judged, and one that fails is made small by Hypothesis."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import find as smallest
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import NoSuchExample

from rnn_spec.explore import crowds, draw, edits, judged, plans
from rnn_spec.judge.session import Session
from rnn_spec.questions import data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rnn_spec.explore.judged import Find
    from rnn_spec.judge.known import Expected
    from rnn_spec.subjects.base import Subject

ROUND = 150
"""Examples of a round; each round draws anew."""
SHRINKING, SECONDS = 120, 45.0
"""How many questions, and seconds, may go into making one find small."""
SIMPLER = 60
"""And how many more, when Hypothesis has done what it can."""
HELD = 200
"""How many drawn arrays are held in memory from question to question; those of one come to it."""
PROGRAMS = 300
"""How many programs a run makes of layers, at most: torch.jit keeps two thirds of a megabyte of one."""
MOST = 10
"""How many different finds a run tells."""


@dataclass(frozen=True)
class Kind:
    """A kind of question: how it is drawn, judged (whole or in one aspect), counted, and made simpler.

    `share` is how much of a round's examples are of it, and `most` how many a run asks at most.
    """

    name: str
    drawn: Any
    judge: Callable[[Session, Any, str], Find | None]
    traits: Callable[[Any], dict[str, str]]
    simpler: Callable[[Any], Iterator[Any]]
    share: float = 1.0
    most: float = float("inf")


def plain(claims: Any) -> Kind:
    """Plain calls."""

    def judge(session: Session, plan: plans.Plan, aspect: str) -> Find | None:
        return judged.find(session, plan.case(), *([aspect] if aspect else []))

    def within(plan: plans.Plan) -> Iterator[plans.Plan]:
        return (p for p in plans.simpler(plan) if plans.possible(p) and claims.outside(p.case()) is None)

    return Kind("calls", draw.plans(claims), judge, plans.traits, within)


def lives(claims: Any) -> Kind | None:
    """Layers to which something is done."""
    if "deeds" not in claims.contract or "float64" not in claims.dtypes or "stack" not in claims.levels:
        return None
    return replace(plain(claims), name="deeds", drawn=draw.lived(claims), traits=lived, share=0.2)


def programs(claims: Any) -> Kind | None:
    """Programs that are made of the layer, which torch does not forget: few a run."""
    if "routes" not in claims.contract:
        return None
    return replace(plain(claims), name="programs", drawn=draw.programs(claims), share=0.02, most=PROGRAMS)


def lived(plan: plans.Plan) -> dict[str, str]:
    """Which deeds were done."""
    deeds = [e for e in plan.earlier if isinstance(e, str)]
    return {"how many": str(len(deeds)), "last": deeds[-1] if deeds else "none"}


def crowd(claims: Any) -> Kind | None:
    """Masks of dropout in plain sight."""
    if not {"dropout", "stack"} <= claims.levels:
        return None

    def judge(session: Session, plan: crowds.Crowd, aspect: str) -> Find | None:
        return judged.find(session, plan.case(), "masks")

    return Kind(
        "masks", crowds.crowds(claims), judge, crowds.traits, crowds.simpler, share=0.08, most=crowds.MOST
    )


def edit(claims: Any) -> Kind | None:
    """Attempts that have to be refused."""
    if "attempts" not in claims.contract:
        return None

    def judge(session: Session, plan: edits.Edit, aspect: str) -> Find | None:
        return judged.find(session, plan.negative.attempt, *([aspect] if aspect else []))

    return Kind("edits", edits.edits(claims), judge, edits.traits, edits.simpler, share=0.25)


KINDS = (plain, crowd, edit, lives, programs)
"""The kinds of questions, each made for what a subject claims; None: it claims nothing of it."""


@dataclass
class Search:
    """A run: whom it asks, how long, what it found and what it covered.

    It ends after `examples` questions, or when `seconds` are over, or when the `most` finds are told. What is
    `expected` to fail is counted in `known`, and what has been told already, in `same`. `kept` are the kind
    and the id of each question that fails as it did in an earlier run, and is not told again.
    `makers` make the kinds of questions that are asked.
    """

    subject: Subject
    expected: Expected
    seed: int
    examples: float = float("inf")
    seconds: float = float("inf")
    most: int = MOST
    makers: tuple[Callable[[Any], Kind | None], ...] = field(default_factory=lambda: KINDS)
    asked: int = 0
    of: Counter[str] = field(default_factory=Counter)
    covered: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    kept: set[tuple[str, str]] = field(default_factory=set)
    told: list[tuple[str, Any]] = field(default_factory=list)
    same: int = 0
    known: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)
    broken: BaseException | None = None

    def __post_init__(self) -> None:
        """The clock runs from now; `hit` is when the last find was seen first."""
        self.begun = self.hit = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether nothing more is asked."""
        late = time.monotonic() - self.begun >= self.seconds
        ended = self.asked >= self.examples or len(self.finds) >= self.most
        return late or ended or self.broken is not None

    def run(self) -> Iterator[Find]:
        """Each find that is unlike those before, made small, as it comes."""
        kinds, random = (
            [*filter(None, (make(self.subject.claims) for make in self.makers))],
            Random(self.seed),
        )
        with tempfile.TemporaryDirectory() as home:
            set_hypothesis_home_dir(home)  # it keeps what it has read of sources, and we use none of that
            while not self.over:
                for kind in kinds:
                    if found := Hunt(self, kind).run(random):
                        plan, find = found
                        self.told.append((find.kind, plan))
                        if (find.kind, find.case.id) not in self.kept:
                            self.finds.append(find)
                            yield find
        if self.broken:
            raise self.broken

    @np.errstate(all="ignore")  # infinities are answers here
    def judge(self, kind: Kind, plan: Any, aspect: str = "") -> Find | None:
        """What is wrong with the answer to a plan that is not known; None if nothing."""
        if data.dyadic.cache_info().currsize > HELD:
            data.dyadic.cache_clear()
        found = kind.judge(Session(self.subject), plan, aspect)
        if found is None:
            return None
        settled = (self.expected.settle(id, found.difference) for id in found.known_by)
        which = next((k.id for word, k in settled if word == "known" and k), None)
        if which is None:
            return found
        self.known[which] += not aspect
        return None

    def is_told(self, find: Find, plan: Any) -> bool:
        """Whether a find is as good as told: its plan has all features of one that fails so, or wholly."""
        return any((kind == find.kind or wholly(kind)) and features(other, plan) for kind, other in self.told)

    def count(self, kind: Kind, plan: Any) -> None:
        """One more question, each of the values that it shows of an axis."""
        self.asked += 1
        self.of[kind.name] += 1
        for trait, values in kind.traits(plan).items():
            self.covered.update((kind.name, trait, value) for value in values.split(", "))


class Hunt:
    """One round of one kind of question: until a find, which is then made small, or to the round's end."""

    def __init__(self, search: Search, kind: Kind) -> None:
        """Nothing has been asked yet."""
        self.search, self.kind = search, kind
        self.tried: dict[Any, Find | None] = {}
        self.target: Find | None = None
        self.until = 0.0

    def run(self, random: Random) -> tuple[Any, Find] | None:
        """The find and its plan, as small as they could be made."""
        if self.search.over or self.search.of[self.kind.name] >= self.kind.most:
            return None
        how = settings(
            max_examples=max(int(ROUND * self.kind.share), 1), database=None, deadline=None,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        try:
            plan = smallest(self.kind.drawn, self.fails, settings=how, random=random)
        except NoSuchExample:
            return None
        plan = self.simplest(plan)
        found = self.tried[plan]
        return (plan, found) if found else None

    def simplest(self, plan: Any) -> Any:
        """The plan without what does not matter: Hypothesis sees choices, and not what they mean."""
        self.most += SIMPLER
        while found := next(filter(self.fails, self.kind.simpler(plan)), None):
            plan = found
        return plan

    def fails(self, plan: Any) -> bool:
        """Whether a plan shows something new; once one has, whether another shows the same."""
        if plan not in self.tried:
            if self.search.over if self.target is None else self.tired:
                return False
            try:
                self.tried[plan] = self.look(plan)
            except Exception as e:  # of ours: no verdict on the subject, and nothing to be made small
                self.search.broken = e
                return False
        return self.tried[plan] is not None

    @property
    def tired(self) -> bool:
        """Whether enough has been done to make the find small."""
        return len(self.tried) > self.most or time.monotonic() > self.until

    def look(self, plan: Any) -> Find | None:
        """Ask."""
        if self.target is not None:
            found = self.search.judge(self.kind, plan, self.target.aspect)
            new = found and found.kind == self.target.kind and not self.search.is_told(found, plan)
            return found if new else None
        self.search.count(self.kind, plan)
        found = self.search.judge(self.kind, plan)
        if found is None or self.search.is_told(found, plan):
            self.search.same += found is not None
            return None
        self.search.hit = time.monotonic()
        self.target, self.until = found, self.search.hit + SECONDS
        self.most = len(self.tried) + SHRINKING
        return found


def wholly(kind: str) -> bool:
    """Whether what fails so has no right answer at all, so that everything else may follow from it."""
    what = kind.partition(": ")[2]
    return what == "forward" or what.startswith("raised")


def features(small: Any, plan: Any) -> bool:
    """Whether a plan has all that is left of one that was made small: sizes as large, and what is not plain.

    A rate has to be of the same class, and of deeds and calls there may be more.
    """
    if not isinstance(plan, type(small)) and not (isinstance(small, plans.Plan) and hasattr(plan, "case")):
        return False
    simplest = type(small)()
    for name in (f.name for f in fields(small)):
        had, has = getattr(small, name), getattr(plan, name, None)
        if had == getattr(simplest, name) or name in IDLE or has == had:
            continue
        if type(had) is int:
            alike = has is not None and has >= had
        elif isinstance(had, tuple):
            alike = not Counter(map(kind_of, had)) - Counter(map(kind_of, has or ()))
        else:
            rates = type(had) is float and has is not None
            alike = rates and plans.rate_class(has or 0.0) == plans.rate_class(had)
        if not alike:
            return False
    return True


IDLE = ("seed", "what")
"""What a plan has, and is no feature of it: which of many that are alike, or what the kind of a find says."""


def kind_of(earlier: Any) -> str:
    """A deed, or a call of any size: whether in training mode."""
    return earlier if isinstance(earlier, str) else f"a call, training {earlier.training}"
