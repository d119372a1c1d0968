"""People's own words for messages: tried before they are used, bounded, and never in the way."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from aiops.delivery.rendering import Rendering, read_templates, variables
from aiops.delivery.sandbox import LARGEST
from aiops.delivery.specimen import specimens
from aiops.incidents.story import story
from aiops.model import Notification
from aiops.notifiers import NOTIFIERS
from tests.unit.storage.nouns import Reports

KINDS = list(NOTIFIERS)


def message() -> Notification:
    """Return an opened message in its built-in words."""
    told = specimens("chat")[1]
    return replace(told, body=story(told.transition))


def rendering(folder: Path, **files: str) -> Rendering:
    for name, text in files.items():
        (folder / f"{name}.j2").write_text(text)
    templates, problems = read_templates(folder, KINDS)
    assert problems == []
    return Rendering(templates, {"chat": "slack", "mail": "email"})


def problem(folder: Path, text: str, name: str = "slack") -> str:
    (folder / f"{name}.j2").write_text(text)
    templates, problems = read_templates(folder, KINDS)
    assert templates == {}
    (one,) = problems
    return one


def test_the_shipped_template_says_what_the_code_says(tmp_path: Path) -> None:
    """Who copies the built-in template begins with the built-in words, for every kind of news."""
    shipped = (resources.files("aiops.delivery") / "story.j2").read_text(encoding="utf-8")
    words = rendering(tmp_path, story=shipped)

    for told in specimens("chat"):
        assert words.reworded(told, Reports()).body == story(told.transition)


def test_without_templates_a_message_stays_as_it_is() -> None:
    """No file, no change."""
    assert Rendering().reworded(message(), Reports()) == message()


def test_a_kind_has_its_own_words(tmp_path: Path) -> None:
    """The template of a kind stands in for it, the one of all for the others."""
    words = rendering(tmp_path, slack="{{ kind }}: {{ title }}", story="all: {{ headline }}")

    chat = words.reworded(message(), Reports())
    mail = words.reworded(replace(message(), receiver="mail"), Reports())

    assert chat.body == "opened: error_ratio above usual on service cart and 1 more"
    assert mail.body.startswith("all: OPENED error")
    assert (chat.key, chat.link, chat.title) == (message().key, message().link, message().title)


def test_titles_have_a_template_too(tmp_path: Path) -> None:
    """One line, whatever the template says."""
    words = rendering(tmp_path, title="[{{ incident.severity }}] {{ title }}\nmore")

    told = words.reworded(message(), Reports())

    assert told.title == "[error] error_ratio above usual on service cart and 1 more"


def test_every_documented_name_has_a_value() -> None:
    """All that a template may name is there for a bare incident too."""
    bare, *full = (variables(one) for one in specimens())

    assert all(set(one) == set(bare) for one in full)
    assert {"headline", "values", "samples", "incident", "link", "lines"} <= set(bare)


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("one\n{{ incidnt.id }}", ":2:", "'incidnt' is unknown; known: "),
        ("{{ incident.nme }}", ":1:", "has no attribute 'nme'"),
        ("a\nb\n{% if %}", ":3:", "Expected an expression"),
        ("{% for x in lines %}", ":1:", "Unexpected end of template"),
        ("{{ lines|nope }}", ":1:", "No filter named 'nope'"),
        ("{{ 1 / 0 }}", ":1:", "division by zero"),
        ("{{ samples[3] }}", ":1:", "has no element 3"),
        ("{{ incident.resolved_at }}", ":1:", "there is no value here; ask with if"),
        ("{{ values }}", ":1:", "a list cannot be printed; name one thing of it, or join it"),
        ("  \n", "slack.j2:", "says nothing"),
        ("{% if kind == 'merged' %}{{ incident.x }}{% else %}y{% endif %}", ":1:", "with merged"),
    ],
)
def test_what_is_wrong_is_found_before_it_is_used(
    tmp_path: Path, text: str, where: str, words: str
) -> None:
    """File, line and reason are named, also of a branch that only some news take."""
    found = problem(tmp_path, text)

    assert f"slack.j2{where}" in found or where in found
    assert words in found


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ lines.__class__ }}",
        "{{ incident.__init__.__globals__ }}",
        "{{ headline.format(headline) }}",
        "{{ self.__init__ }}",
        "{{ cycler }}",
        "{{ lipsum(n=100) }}",
        "{{ range(10) }}",
        "{% set ns = namespace(x=1) %}{{ ns.x }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro m() %}{% endmacro %}x",
        "{{ headline|safe }}",
        "{{ lines|attr('append') }}",
        "{{ lines.append(1) }}",
        "{% do lines.clear() %}",
        "{{ lines|map(attribute='__class__')|list }}",
        "{{ lines|sort(attribute='__class__')|join }}",
        "{{ headline.split }}",
        "{{ self }}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(tmp_path: Path, text: str) -> None:
    """No classes, no files, no functions, no changes: each is a problem of the configuration."""
    assert problem(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 10000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ headline.ljust(1000000000) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ headline|center(1000000000) }}",
        "{% for a in headline %}" * 4 + "{% endfor %}" * 4 + "x",
        "{% set a = headline %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
        "{% set a = headline %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
        "{% set a = headline %}" + "{% set a = a|replace('e', a) %}" * 40 + "{{ a }}",
        "{% set a = headline %}" + "{% set a = a|list|join(a) %}" * 40 + "{{ a }}",
        "{% set a = 9 %}" + "{% set a = a * a %}" * 40 + "{{ a }}",
        "{% for a in headline recursive %}{{ loop(headline) }}{% endfor %}",
        "{% for a in headline %}{% for b in headline %}" + "x" * 1000 + "{% endfor %}{% endfor %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "x" * 40_000,
    ],
)
def test_a_template_takes_a_bounded_time_and_room(tmp_path: Path, text: str) -> None:
    """Loops, powers, repetition and doubling end at their bound, in a moment."""
    assert problem(tmp_path, text)


def test_an_unknown_file_is_named(tmp_path: Path) -> None:
    """A misspelt kind would never be used."""
    found = problem(tmp_path, "x", name="slak")

    assert "slak.j2: no channel of this kind; known: story, title, stdout" in found


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """Where there is no folder there is a problem, not silence."""
    _, (found,) = read_templates(tmp_path / "absent", KINDS)

    assert "templates.directory" in found
    assert "cannot be read" in found


def test_every_variable_is_documented() -> None:
    """Whoever writes a template finds each name, and the fields of an incident, in one place."""
    page = (Path(__file__).parents[3] / "docs" / "messages.md").read_text(encoding="utf-8")
    names = variables(specimens()[1])

    assert [name for name in (*names, *names["incident"]) if f"`{name}`" not in page] == []


def test_what_fails_at_work_is_told_in_the_built_in_words(tmp_path: Path) -> None:
    """An override that breaks on something unforeseen loses no message and is counted."""
    text = "{% if incident.id == 'inc_odd' %}{{ incident.nothing.at_all }}{% endif %}fine"
    words, reports = rendering(tmp_path, slack=text), Reports()
    told = message()
    incident = replace(told.transition.incident, id="inc_odd")
    odd = replace(told, transition=replace(told.transition, incident=incident))

    assert words.reworded(told, reports).body == "fine"
    assert words.reworded(odd, reports) == odd
    assert reports.counts == {("template_failed", "slack"): 1}
    assert "slack.j2:1" in str(reports.facts[0][1]["problem"])


def test_hostile_text_stays_plain(tmp_path: Path) -> None:
    """Secrets and control characters do not come back through a template."""
    words = rendering(tmp_path, slack="pass{{ 'word=hunter2' }} \x1b[31m{{ title }}\u202e")

    body = words.reworded(message(), Reports()).body

    assert "hunter2" not in body
    assert "\x1b" not in body
    assert "\u202e" not in body


def test_ordinary_templates_are_possible(tmp_path: Path) -> None:
    """Loops, conditions, filters and methods that a message needs all work."""
    text = (
        "{% for s in incident.suspects[:2] %}{{ loop.index }}. {{ s.entity.split(':')|last }}"
        " {{ (s.score * 100)|round|int }} %{% if not loop.last %}, {% endif %}{% endfor %}\n\n"
        "{{ incident.entities|join(', ')|upper }} {{ note|default('-') }} {{ lines|length }}\n"
        "{{ incident.changes|map(attribute='title')|join('; ') ~ '!' }}"
    )
    body = rendering(tmp_path, slack=text).reworded(message(), Reports()).body

    first, second, third = body.split("\n")
    assert first == "1. cart 60 %, 2. web1 30 %"
    assert second.startswith("SERVICE:CART, SERVICE:PAYMENT a note ")
    assert third == "v42!"


def test_a_message_has_a_largest_size(tmp_path: Path) -> None:
    """What a template writes is bounded by a number that a channel can work with."""
    assert len(rendering(tmp_path, slack="y" * LARGEST).reworded(message(), Reports()).body)
    assert "writes more than" in problem(tmp_path, "y" * (LARGEST + 1))
