"""Run people's templates so that none reaches, runs or grows further than a message may.

A budget of steps and not a clock ends what takes too long: the same message comes out on a slow
machine. Everything that loops, or works through a text, pays for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jinja2 import Template
    from jinja2.runtime import Context

STEPS = 20_000
"""Turns of loops in one message, or sixteen characters each of text that is worked through."""

LARGEST = 16_384
"""Characters of one message, and of any text on the way to it."""

SOURCE = 32_768
"""Characters of a template."""

_STEP = 16
_BUDGET = "steps left"  # no name that a template could write
_GREATEST = 2**63
# fmt: off
_FILTERS = frozenset((
    "capitalize", "count", "default", "d", "first", "float", "int", "join", "last", "length",
    "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "round",
    "select", "selectattr", "sort", "string", "title", "trim", "truncate", "unique", "upper",
    "urlencode",
))
_METHODS = frozenset((
    "capitalize", "endswith", "get", "items", "keys", "lower", "lstrip", "partition",
    "removeprefix", "removesuffix", "rpartition", "rstrip", "split", "splitlines",
    "startswith", "strip", "title", "upper", "values",
))
# fmt: on
# A message is one file: nothing is read in, and nothing is kept that could grow unseen.
_FORBIDDEN = (
    nodes.AssignBlock,
    nodes.Block,
    nodes.CallBlock,
    nodes.EvalContextModifier,
    nodes.Extends,
    nodes.FilterBlock,
    nodes.FromImport,
    nodes.Import,
    nodes.Include,
    nodes.Macro,
    nodes.NSRef,
    nodes.ScopedEvalContextModifier,
)


class Sandbox(ImmutableSandboxedEnvironment):
    """Compile templates whose every name must exist and whose every loop is counted.

    Nothing is escaped here: what comes out is plain text, and the channel that shows it escapes
    all of it for its own format, what the template wrote itself included.
    """

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            finalize=_printed,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=0,
            optimized=False,
        )
        self.globals = {}
        self.filters = {name: self.filters[name] for name in sorted(_FILTERS)}
        self.filters |= {
            "join": _joined,
            "replace": _replaced,
            "_bounded": _bounded,
            "_weighed": _weighed,
        }

    def rendered(self, template: Template, values: Mapping[str, Any]) -> str:
        """Return what a template says of *values*; raises what went wrong in it."""
        parts: list[str] = []
        size = 0
        for part in template.generate(dict(values) | {_BUDGET: [STEPS]}):
            size += len(part)
            if size > LARGEST:
                raise SecurityError(f"writes more than {LARGEST} characters")
            parts.append(part)
        return "".join(parts)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > SOURCE:
            text = f"{len(source)} characters; a template may have {SOURCE}"
            raise TemplateSyntaxError(text, 1, name, filename)
        tree = super()._parse(source, name, filename)
        for node in tree.find_all(nodes.Node):
            if isinstance(node, _FORBIDDEN) or (isinstance(node, nodes.For) and node.recursive):
                text = f"{type(node).__name__.lower()} is not possible in a message"
                raise TemplateSyntaxError(text, node.lineno, name, filename)
        # As a list: what is put in would be found again.
        for node in list(tree.find_all((nodes.For, nodes.Concat, nodes.Filter))):
            if isinstance(node, nodes.For):
                node.iter = _through(node.iter, "_bounded")
            elif isinstance(node, nodes.Concat):
                node.nodes = [_through(part, "_weighed") for part in node.nodes]
            elif isinstance(node, nodes.Filter) and node.node is not None:
                node.node = _through(node.node, "_weighed")
        return tree

    def is_safe_callable(self, obj: Any) -> bool:
        """Allow a few methods of texts and tables; a template defines nothing to call."""
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        return isinstance(owner, str | dict) and name in _METHODS

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what may be called, for its price."""
        _pay(context, getattr(obj, "__self__", None))
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute with numbers, and put texts together, within bounds."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            _pay(context, left)
            _pay(context, right)
            return left + right
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise SecurityError(f"{operator} is for numbers here")
        if operator == "**":
            raise SecurityError("** is not possible in a message")
        found = super().call_binop(context, operator, left, right)
        if isinstance(found, int) and abs(found) > _GREATEST:
            raise SecurityError(f"{operator} gives a number that is too large")
        return found


def _printed(value: Any) -> str | int | float:
    """Return what may be printed; anything else would show how it is made, and where it lies."""
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Undefined):
        return str(value)  # which says what is missing
    if value is None:
        raise TemplateError("there is no value here; ask with if before it is printed")
    kind = type(value).__name__
    raise TemplateError(f"a {kind} cannot be printed; name one thing of it, or join it")


def _through(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(cast("nodes.Expr", node), name, [], [], None, None, lineno=node.lineno)


def _pay(context: Context, value: Any) -> None:
    size = len(value) if isinstance(value, str | list | dict | tuple) else 0
    if size > LARGEST:
        raise SecurityError(f"a text or list of {size} is too long for a message")
    left = context[_BUDGET]
    left[0] -= 1 + size // _STEP
    if left[0] < 0:
        raise SecurityError("takes too many steps for a message")


@pass_context
def _bounded(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _pay(context, None)
        yield value


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    _pay(context, value)
    return value


def _joined(values: Iterable[Any], between: str = "") -> str:
    """Join texts; the built-in one would first make them, however many they are."""
    parts: list[str] = []
    size = 0
    for value in values:
        parts.append(str(value))
        size += len(parts[-1]) + len(between)
        if size > LARGEST + len(between):
            raise SecurityError(f"join makes more than {LARGEST} characters")
    return between.join(parts)


def _replaced(text: str, old: str, new: str) -> str:
    """Replace a part of a text by another; an empty part is nowhere."""
    if not old:
        return text
    size = len(text) + text.count(old) * (len(new) - len(old))
    if size > LARGEST:
        raise SecurityError(f"replace makes {size} characters, more than {LARGEST}")
    return text.replace(old, new)
