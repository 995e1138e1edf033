"""`rnn-spec site DIR`: all that is known, as static pages, from the views and templates of the page of a run.

What nn.RNN is, clause by clause; who conforms; what torch gets wrong; what changed from release to release;
the checklist; the guides. It belongs to a clone, which alone has the documents and the committed results.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from markdown_it import MarkdownIt
from markupsafe import Markup

from rnn_spec import files
from rnn_spec.cli.base import CouldNotRun, in_checkout
from rnn_spec.faults import FAULTS
from rnn_spec.gate import history as changes
from rnn_spec.gate.archive import Archive
from rnn_spec.gate.picture import History, history
from rnn_spec.judge.known import Known, known
from rnn_spec.report import page, standings, view
from rnn_spec.report.commands import by_clause, lines
from rnn_spec.spec.catalogue import areas, clauses
from rnn_spec.suite import collect as trials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnn_spec.report.view import Judged
    from rnn_spec.spec.catalogue import Clause

MENU = {
    "index.html": "rnn-spec", "clauses/index.html": "What nn.RNN is", "subjects/index.html": "Who conforms",
    "torch/index.html": "What torch gets wrong", "history/index.html": "History",
    "checklist.html": "Checklist", "guides/index.html": "Guides",
}  # fmt: skip
ELSEWHERE = {
    "docs/checklist.md": "checklist.html", "docs/conformance.md": "subjects/index.html",
    "docs/history.md": "history/index.html",
}  # fmt: skip
"""Documents that the site has as pages of its own."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def site(folder: Path) -> None:
    """Write static pages into DIR: what nn.RNN is, who conforms, what torch gets wrong, history, guides.

    For example: rnn-spec site public
    """
    in_checkout(Path("the site"))
    made = Site(files.CHECKOUT)
    try:
        for place, text in made.pages():
            files.write(folder / place, text.encode())
    except OSError as e:
        raise CouldNotRun(f"{folder} cannot be written: {e.strerror}") from e
    click.echo(f"written: {folder / 'index.html'}")


def file(name: str) -> str:
    """What a subject's page is called."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


@dataclass
class Site:
    """A clone, as pages."""

    root: Path

    @cached_property
    def fixtures(self) -> standings.Fixtures:
        """The committed cards, and what is behind their failures."""
        return standings.Fixtures.read(self.root / "fixtures" / "conformance")

    @cached_property
    def judged(self) -> list[Judged]:
        """Each card, as the views see it."""
        return [view.of_card(card) for card in self.fixtures.cards]

    @cached_property
    def archive(self) -> Archive:
        """The recordings."""
        return Archive.read()

    @cached_property
    def history(self) -> History:
        """Clauses by release."""
        return history(self.archive)

    @cached_property
    def documents(self) -> dict[str, str]:
        """Where each document of the repository is on the site."""
        pages = {f"docs/{p.name}": f"guides/{p.stem}.html" for p in sorted((self.root / "docs").glob("*.md"))}
        return {"README.md": "guides/index.html", **pages, **ELSEWHERE}

    def pages(self) -> Iterator[tuple[str, str]]:
        """Each file of the site: its place, and its text."""
        yield "style.css", page.environment().get_template("page.css").render(**page.shared())
        yield "page.js", page.environment().get_template("page.js").render()
        yield self.page("index.html", "torch.nn.RNN, said in code", "site_home.html", guides=self.guides())
        yield from self.of_clauses()
        yield from self.of_subjects()
        yield from self.of_torch()
        yield from self.of_history()
        yield self.document("checklist.html", "docs/checklist.md", "\n".join(lines()))
        for source, place in self.documents.items():
            if source not in ELSEWHERE:
                yield self.document(place, source, (self.root / source).read_text(encoding="utf-8"))

    def page(self, place: str, title: str, template: str, **held: Any) -> tuple[str, str]:
        """A page of a template."""
        own: dict[str, Any] = {"title": title, "menu": MENU, "here": place, "root": "../" * place.count("/")}
        own |= {"judged": self.judged, "history": self.history, "choices": page.kinds()}
        environment = page.environment()
        environment.filters["file"] = file
        return place, environment.get_template(template).render(**page.shared() | own | held)

    def guides(self) -> list[tuple[str, str]]:
        """The documents that are told as they stand: place and title."""
        found = {source: place for source, place in self.documents.items() if source not in ELSEWHERE}
        return [
            (place, self.title((self.root / source).read_text("utf-8"))) for source, place in found.items()
        ]

    def title(self, text: str) -> str:
        """A document's first heading."""
        return text.partition("\n")[0].lstrip("# ")

    # -- what nn.RNN is ------------------------------------------------------------------------------

    def of_clauses(self) -> Iterator[tuple[str, str]]:
        """The equations and the catalogue, and a page a clause."""
        spec = {
            name: (files.PACKAGE / "spec" / f"{name}.py").read_text(encoding="utf-8")
            for name in ("model", "gradient")
        }
        yield self.page("clauses/index.html", "What nn.RNN is", "site_clauses.html", **spec)
        shown, rows = by_clause(), {row.clause: row for row in self.history.rows}
        asked: dict[str, list[Any]] = defaultdict(list)
        for trial in trials.collect():
            asked[trial.clause].append(trial)
        for id, clause in clauses().items():
            yield self.page(
                f"clauses/{id}.html", f"{id}: {self.short(clause)}", "site_clause.html", clause=clause,
                checks=list(checks(asked[id])), vectors=shown.get(id, []), row=rows.get(id),
                faults=[f for f in FAULTS.values() if f.clause == id],
                known=[(self.place(k), k) for k in known() if k.clause == id],
            )  # fmt: skip

    def short(self, clause: Clause) -> str:
        """What a clause is about: its area."""
        return areas()[clause.area]

    # -- who conforms, and what torch gets wrong -----------------------------------------------------

    def place(self, k: Known) -> str:
        """Where a known failure's page is."""
        return f"{'torch' if k.of_torch else 'findings'}/{file(k.id)}.html"

    def shows(self, k: Known) -> list[str]:
        """The subjects that show a known failure, as far as their cards are committed."""
        found = [c.subject for c in self.fixtures.cards if k.applies(c.subject, c.version)]
        return found or [k.subject or "any"]

    def of_subjects(self) -> Iterator[tuple[str, str]]:
        """The table, a page a subject, and one for each finding, with its script."""
        findings = [(self.place(k), k, self.shows(k)) for k in self.fixtures.findings]
        yield self.page(
            "subjects/index.html", "Who conforms", "site_subjects.html", findings=findings,
            strays=self.fixtures.strays, stray=standings.STRAY.replace("`", ""),
        )  # fmt: skip
        for card, s in zip(self.fixtures.cards, self.judged, strict=True):
            own = [(self.place(k), k, failures) for k, failures in self.fixtures.of(card)]
            verdict = {"verdict": [(word, f"{sign} {word}") for word, sign in view.SIGNS.items()]}
            yield self.page(
                f"subjects/{file(s.name)}.html", s.version, "site_subject.html", s=s, findings=own,
                choices=verdict | page.kinds(),
            )  # fmt: skip
        for place, k, of in {row[0]: row for row in findings}.values():
            yield self.page(place, k.id.replace("-", " "), "site_known.html", k=k, of=of)

    def of_torch(self) -> Iterator[tuple[str, str]]:
        """What torch is known to get wrong, and a page for each."""
        rows = {self.place(k): k for k in reversed(known()) if k.of_torch}
        ordered = [(place, k) for place, k in reversed(rows.items())]
        yield self.page("torch/index.html", "What torch gets wrong", "site_torch.html", rows=ordered)
        for place, k in ordered:
            of = sorted({other.subject for other in known() if other.id == k.id})
            yield self.page(place, k.title or k.id.replace("-", " "), "site_known.html", k=k, of=of)

    # -- history and documents -----------------------------------------------------------------------

    def of_history(self) -> Iterator[tuple[str, str]]:
        """The picture, and a page for each release."""
        recorded = changes.changes(self.archive)
        of = {release: "\n".join(changes.section(found)) for release, found in recorded.items()}
        yield self.page("history/index.html", "History", "site_history.html", releases=list(of))
        for release, text in of.items():
            body = self.rendered("docs/history.md", "history/x.html", text)
            yield self.page(f"history/{release}.html", f"torch {release}", "site.html", body=body)

    def document(self, place: str, source: str, text: str) -> tuple[str, str]:
        """A Markdown document as a page; its first heading is the page's."""
        return self.page(
            place, self.title(text), "site.html", body=self.rendered(source, place, text.partition("\n")[2])
        )

    def rendered(self, source: str, place: str, text: str) -> Markup:
        """A document's text as HTML; a link to another goes to its page, one to a file is its name alone."""
        reader = MarkdownIt("commonmark").enable("table")
        tokens = reader.parse(text)
        for token in tokens:
            named: list[bool] = []
            for child in token.children or []:
                if child.type == "link_open":
                    href = self.target(source, place, str(child.attrs["href"]))
                    named.append(not href)
                    child.attrs = {"href": href} if href else {}
                if child.type in ("link_open", "link_close"):
                    child.tag = "span" if named[-1] else "a"
                    if child.type == "link_close":
                        named.pop()
        told = reader.renderer.render(tokens, reader.options, {})
        told = re.sub(r"<table>.*?</table>", r'<div class="wide">\g<0></div>', told, flags=re.DOTALL)
        root = "../" * place.count("/")
        return Markup(
            re.sub(r"<strong>([A-Z]+-\d\d)</strong>", rf'<a href="{root}clauses/\1.html">\1</a>', told)
        )

    def target(self, source: str, place: str, href: str) -> str:
        """Where a document's link leads on the site; nothing where the site has no such page."""
        if re.match(r"[a-z]+:", href):
            return href
        path, _, _anchor = href.partition("#")
        parts: list[str] = [] if not path else source.split("/")[:-1]
        for part in path.split("/") if path else source.split("/"):
            parts = parts[:-1] if part == ".." else [*parts, part]
        found = self.documents.get("/".join(parts))
        return "../" * place.count("/") + found if found else ""


def checks(own: list[Any]) -> Iterator[tuple[str, int, str]]:
    """Each test of a clause: its id, how many checks it is, and what it says."""
    counts = Counter(trial.test for trial in own)
    says = {trial.test: " ".join((inspect.getdoc(trial.function) or "").split()) for trial in own}
    for test, count in counts.items():
        yield test, count, says[test]
