"""Messages in people's own words: templates that stand in for the built-in story of a channel.

A template says plain text; its channel escapes all of it for its own format, so neither a log line
nor a template can speak a chat's markup. What fails is told in the built-in words instead.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from aiops.delivery.sandbox import Sandbox
from aiops.delivery.specimen import specimens
from aiops.incidents.story import TITLE, parts
from aiops.redaction import harmless
from aiops.wire import rfc3339, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jinja2 import Template

    from aiops.model import Notification
    from aiops.storage import Report

EVERY = "story"
"""The template of every channel that has none of its own."""

HEAD = "title"
"""The template of titles: of subjects, and of the first line of most messages."""

ENDING = ".j2"
_SINGLE = ("headline", "since", "affected", "change", "cause", "similar", "next")
# What an expression of a template may raise, beside the errors of Jinja itself.
_FAILS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def variables(
    notification: Notification, calls: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Return all that a template may name: plain, redacted values."""
    transition = notification.transition
    incident = transition.incident
    told = parts(transition, calls=calls)
    people = {
        "acknowledged_by": harmless(incident.acknowledged_by),
        "assigned_to": harmless(incident.assigned_to),
    }
    lines = {name: (told[name] or [""])[0] if name in _SINGLE else told[name] for name in told}
    return lines | {
        "incident": to_json(incident) | people,
        "kind": transition.kind.value,
        "at": rfc3339(transition.at),
        "note": harmless(transition.note),
        "receiver": notification.receiver,
        "title": harmless(notification.title),
        "link": notification.link,
        "lines": [line for part in told.values() for line in part],
    }


@dataclass(frozen=True, slots=True)
class Rendering:
    """Say a message in the words of its channel's template, where there is one.

    ``kinds`` maps the names of channels to their kinds, ``calls`` is who calls whom.
    """

    templates: Mapping[str, Template] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def reworded(self, notification: Notification, report: Report) -> Notification:
        """Return the message in its template's words; as it is when there are none, or they fail.

        A template that fails is reported as ``template_failed``, and the built-in words are sent.
        """
        kind = self.kinds.get(notification.receiver, "")
        title = self._said(HEAD, notification, report)
        if title is not None:
            title = title.strip().partition("\n")[0][:TITLE]
        told = replace(notification, title=title or notification.title)
        name = kind if kind in self.templates else EVERY
        body = self._said(name, told, report)
        return told if body is None else replace(told, body=body)

    def _said(self, name: str, notification: Notification, report: Report) -> str | None:
        template = self.templates.get(name)
        if template is None:
            return None
        try:
            return said(template, variables(notification, self.calls))
        except _FAILS as e:
            report("template_failed", name, problem=_problem(template, e))
            return None


def said(template: Template, values: Mapping[str, Any]) -> str:
    """Return what a template says, plain and redacted; raises when that is nothing or it fails."""
    environment = template.environment
    assert isinstance(environment, Sandbox)
    text = harmless(environment.rendered(template, values), lines=True).strip("\n")
    if not text.strip():
        raise TemplateError("says nothing; every message needs a text")
    return text


def read_templates(folder: Path, kinds: Sequence[str]) -> tuple[dict[str, Template], list[str]]:
    """Return the templates of a folder by name, and what is wrong with any of them.

    Each is tried with a message of every kind of change, about a full incident and a bare one.
    """
    templates: dict[str, Template] = {}
    problems: list[str] = []
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ENDING)
    except OSError as e:
        why = f"cannot be read ({e.strerror}); make it a folder with files like slack{ENDING}"
        return {}, [f"templates.directory = {str(folder)!r}: {why}"]
    known = (EVERY, HEAD, *kinds)
    sandbox = Sandbox()
    for path in files:
        if path.stem not in known:
            problems.append(f"{path}: no channel of this kind; known: {', '.join(known)}")
            continue
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            problems.append(f"{path}: cannot be read ({e}); write it as UTF-8")
            continue
        found = _problems_of(sandbox, path, source)
        problems += found
        if not found:
            templates[path.stem] = _compiled(sandbox, path, source)
    return templates, problems


def _compiled(sandbox: Sandbox, path: Path, source: str) -> Template:
    code = sandbox.compile(source, path.stem, str(path))
    return sandbox.template_class.from_code(sandbox, code, {})


def _problems_of(sandbox: Sandbox, path: Path, source: str) -> list[str]:
    tried = [variables(one) for one in specimens()]
    try:
        tree = sandbox.parse(source, path.stem, str(path))
        template = _compiled(sandbox, path, source)
    except TemplateSyntaxError as e:
        return [f"{path}:{e.lineno}: {e.message}"]
    except (TemplateError, RecursionError, ValueError) as e:
        return [f"{path}: {e}; write it simpler"]
    unknown = meta.find_undeclared_variables(tree) - set(tried[0])
    if unknown:
        lines = {n.name: n.lineno for n in tree.find_all(nodes.Name) if n.name in unknown}
        names = ", ".join(sorted(tried[0]))
        return [f"{path}:{lines[name]}: {name!r} is unknown; known: {names}" for name in lines]
    for values in tried:
        try:
            said(template, values)
        except _FAILS as e:
            return [f"{_problem(template, e)} (tried with {values['kind']}); mend it or guard it"]
    return []


def _problem(template: Template, error: BaseException) -> str:
    """Return file, line and words of what went wrong in a template."""
    where = template.filename or "template"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == where]
    line = f":{frames[-1].lineno}" if frames else ""
    return f"{where}{line}: {harmless(str(error) or type(error).__name__)[:300]}"
