"""The part of YAML that a config needs, and how a fault in it is worded.

A key written twice is refused (YAML would let the last one win), and so are names for repeated
parts (they can unfold without end), tags, deep nesting and numbers that YAML reads otherwise than
people do.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

# Sections, keys, a list: nothing is nested deeper.
_DEEPEST = 8
# What a message repeats of a value or a key, in characters.
LONGEST_VALUE = 60
_LONGEST_KEY = 40
_LONGEST_NUMBER = 40


class YamlFaultError(ValueError):
    """What is wrong and where, as a clause for a sentence."""


def read(text: str) -> object:
    """The text's value: mappings, lists, texts, numbers, true, false, None. YamlFaultError."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader subclass
    except (yaml.YAMLError, ValueError) as error:
        raise YamlFaultError(_place(error)) from error


class _PlainLoader(yaml.SafeLoader):
    """YAML without what a config has no use for and what can mislead or exhaust a reader.

    A key written twice is refused (YAML would let the last one win), and so are names for
    repeated parts (they can unfold without end), tags and deep nesting. Dates stay texts.
    """

    yaml_implicit_resolvers: dict[str, Any] = {  # noqa: RUF012 - declared so by its base
        first: [(tag, shape) for tag, shape in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("names for repeated parts (& and *) are not used here", event)
        if getattr(event, "tag", None) is not None:
            raise _refused("tags (!) are not used here; quote a text that begins with !", event)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _refused("this is nested too deeply", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _refused(problem: str, place: Any) -> yaml.MarkedYAMLError:
    """place: the YAML event or node that is refused."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _mapping_without_repeats(loader: _PlainLoader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _refused(f"the key {shown(key)} is not a word", key_node)
        if key in seen:
            raise _refused(f"the key {name_of(key)} stands here twice", key_node)
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


def _number_as_people_mean_it(loader: _PlainLoader, node: yaml.ScalarNode) -> int:
    # To YAML 1.1 a leading zero means octal: `pin: 017` would drive line 15.
    if re.match(r"[-+]?0[0-9_]", node.value):
        raise _refused(f"the number {node.value[:_LONGEST_NUMBER]} begins with a zero", node)
    if len(node.value) > _LONGEST_NUMBER:
        raise _refused("the number is too long", node)
    return int(loader.construct_yaml_int(node))


_PlainLoader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats
)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _number_as_people_mean_it)


def shown(value: object) -> str:
    """A value for a message, cut where it is long."""
    return shortened(repr(value), LONGEST_VALUE)


def shortened(text: str, longest: int) -> str:
    """The first `longest` characters, with dots where there were more."""
    return text if len(text) <= longest else text[:longest] + "..."


def name_of(part: str) -> str:
    """A key for a message, without what may be a secret written into it by mistake."""
    # `password:secret` and `password secret` are keys to YAML: only the word is repeated.
    word = re.match(r"[A-Za-z0-9_-]*", part)
    known = word.group() if word else ""
    return shortened(known, _LONGEST_KEY) if known == part else f"{known[:_LONGEST_KEY]}..."


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    if mark is None:
        return str(problem).splitlines()[0]
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"
