"""Protocol documents as text: YAML 1.2 and JSON, without surprises."""

import json
import re
from decimal import Decimal
from typing import Any, Literal, NoReturn

import yaml

from lockstep.domain.content import Content
from lockstep.domain.protocol_document import parse
from lockstep.domain.refusal import InvalidProtocol

MOST_CHARACTERS = 1_000_000
_MOST_NESTING = 40


def read_text(text: str, *, format: Literal["yaml", "json"]) -> Content:  # noqa: A002
    """The content of a YAML or JSON text; raises InvalidProtocol, with line and column of faulty text."""
    return parse(load(text, format=format))


def load(text: str, *, format: Literal["yaml", "json"]) -> Any:  # noqa: A002
    """The plain values of a text, numbers with a point as Decimal.

    Duplicate keys, aliases and other tags than plain values are refused; 07:00, yes and 2026-11-23 are texts.
    """
    if len(text) > MOST_CHARACTERS:
        raise _fault("", f"The text has {len(text)} characters", f"Keep it within {MOST_CHARACTERS}.")
    try:
        return _json(text) if format == "json" else _yaml(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _fault(where, f"This is not valid YAML: {error.problem}", "Mend the text there.") from None
    except yaml.YAMLError as error:
        raise _fault("", f"This is not valid YAML: {str(error).splitlines()[0]}", "Mend the text.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _fault(where, f"This is not valid JSON: {error.msg}", "Mend the text there.") from None
    except RecursionError:
        raise _fault("", "The text is nested too deeply", f"Keep it within {_MOST_NESTING} levels.") from None


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=_whole, parse_constant=_constant, object_pairs_hook=_pairs)


def _whole(text: str) -> int | Decimal:
    # int() refuses thousands of digits with an error of its own; a Decimal is then found to be out of bounds.
    return int(text) if len(text) < 20 else Decimal(text)


def _constant(text: str) -> NoReturn:
    raise _fault("", f"{text} is not a number", "Write a finite number.")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise _fault("", f"The key {key[:60]!r} stands twice in one mapping", "Keep one of them.")
        made[key] = value
    return made


def _yaml(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Loader(
    yaml.reader.Reader,
    yaml.scanner.Scanner,
    yaml.parser.Parser,
    yaml.composer.Composer,
    yaml.constructor.BaseConstructor,
    yaml.resolver.BaseResolver,
):
    """The core of YAML 1.2 and nothing else: a YAML 1.1 loader reads 07:00 as 420 and `no` as false."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        yaml.composer.Composer.__init__(self)
        yaml.constructor.BaseConstructor.__init__(self)
        yaml.resolver.BaseResolver.__init__(self)
        self._nesting = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node; an alias is refused, because a few lines of them can stand for a billion values."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias (*) is not allowed here", mark)
        self._nesting += 1
        if self._nesting > _MOST_NESTING:
            raise yaml.composer.ComposerError(None, None, "this is nested too deeply", mark)
        node = super().compose_node(parent, index)
        self._nesting -= 1
        return node

    def construct_value(self, node: yaml.Node) -> Any:
        """The plain value of a node."""
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.construct_object(item, deep=True) for item in node.value]
        made = _SCALARS.get(node.tag)
        if not isinstance(node, yaml.ScalarNode) or made is None:
            problem = f"the tag {node.tag} is not allowed here"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        try:
            return made(node.value)
        except (ValueError, ArithmeticError, KeyError):
            problem = f"this is not what its tag {node.tag} says"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key_node.value in made:
                problem = f"the key {key_node.value[:60]!r} stands twice in one mapping"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            made[key_node.value] = self.construct_object(value_node, deep=True)
        return made


_SCALARS: dict[str, Any] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": _whole,
    "tag:yaml.org,2002:float": Decimal,
    "tag:yaml.org,2002:bool": {"true": True, "false": False}.__getitem__,
    "tag:yaml.org,2002:null": lambda _: None,
}
_Loader.add_constructor(None, _Loader.construct_value)  # type: ignore[type-var]
# Numbers with leading zeros stay texts: 0730 is a mistake for a time, not seven hundred and thirty.
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,4})?$", "-0123456789"),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def _fault(where: str, what: str, mend: str) -> InvalidProtocol:
    return InvalidProtocol(what, where=where, mend=mend)
