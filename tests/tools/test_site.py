"""The site: every page is sound, no link is broken, and what is known of the project is on it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin

import pytest
from click.testing import CliRunner

from rnn_spec import files
from rnn_spec.cli import main
from rnn_spec.faults import FAULTS
from rnn_spec.judge.known import known
from rnn_spec.report import standings
from rnn_spec.site import Site
from rnn_spec.spec.catalogue import clauses

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The files of the site by their places."""
    return dict(Site(ROOT).pages())


class Links(HTMLParser):
    """What a page links to and loads, and the ids that can be linked to."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.to: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep them."""
        given = {name: value or "" for name, value in attrs}
        self.to += [given[name] for name in ("href", "src") if name in given]
        self.ids |= {given["id"]} if "id" in given else set()


def test_no_link_is_broken_and_nothing_is_loaded_from_elsewhere(pages: dict[str, str]) -> None:
    """Every link leads to a page of the site, and to a place on it; of other sites nothing is loaded."""
    read = {place: Links(text) for place, text in pages.items() if place.endswith(".html")}

    broken = []
    for place, links in read.items():
        for link in links.to:
            if re.match(r"https?://", link):
                continue
            target, _, anchor = unquote(urljoin(place, link)).partition("#")
            held = read.get(target or place)
            if (target and target not in pages) or (anchor and held and anchor not in held.ids):
                broken.append((place, link))
    assert broken == []
    assert not any(re.search(r'<(script|link|img)[^>]*(src|href)="http', text) for text in pages.values())


def test_every_page_can_be_reached(pages: dict[str, str]) -> None:
    """From the first, by links alone."""
    reached, left = set[str](), ["index.html"]
    while left:
        place = left.pop()
        if place in reached:
            continue
        reached.add(place)
        if place.endswith(".html"):
            links = (urljoin(place, link).partition("#")[0] for link in Links(pages[place]).to)
            left += [link for link in links if link in pages]

    assert set(pages) - reached == set()


def test_each_clause_has_its_page_with_checks_and_faults(pages: dict[str, str]) -> None:
    """Its text, what tests it, what it must catch."""
    for id, clause in clauses().items():
        text = pages[f"clauses/{id}.html"]
        assert f"<h1>{id}: " in text
        assert "<h2>Checks</h2>\n<ul><li>" in text
        assert f'data-text="{id.lower()} ' in pages["clauses/index.html"]
        assert clause.level in text
        for fault in FAULTS.values():
            if fault.clause == id:
                assert f"<code>{fault.name}</code>" in text


def test_each_subject_and_each_failure_has_its_page_with_its_script(pages: dict[str, str]) -> None:
    """Of the committed cards, and of torch."""
    fixtures = standings.Fixtures.read(ROOT / "fixtures" / "conformance")
    for card in fixtures.cards:
        assert card.version in pages[f"subjects/{card.subject.replace(':', '-')}.html"]
    for k in known():
        text = pages[f"{'torch' if k.of_torch else 'findings'}/{k.id}.html"]
        assert k.reproduction.strip() == "" or "<h2>To see it, with the framework alone</h2>" in text


def test_the_command_writes_it_and_says_where(tmp_path: Path) -> None:
    """Into a folder that may not be there yet; one that cannot be written is a sentence."""
    done = CliRunner().invoke(main, ["site", str(tmp_path / "new" / "public")])
    assert (done.exit_code, done.output) == (0, f"written: {tmp_path / 'new' / 'public' / 'index.html'}\n")
    assert (tmp_path / "new" / "public" / "index.html").is_file()

    (tmp_path / "taken").write_text("")
    done = CliRunner().invoke(main, ["site", str(tmp_path / "taken" / "x")])
    assert done.exit_code == 2
    assert "cannot be written" in done.output


def test_where_it_is_installed_it_says_that_it_needs_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents and the committed results do not ship."""
    monkeypatch.setattr(files, "CHECKOUT", tmp_path)

    done = CliRunner().invoke(main, ["site", str(tmp_path / "public")])

    assert done.exit_code == 2
    assert "Error: the site belongs to rnn-spec's repository" in done.output
    assert not (tmp_path / "public").exists()
