"""Every `appliance …` in the documentation is a command that exists, with options that it has."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from appliance.cli.main import cli
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
# How a line in the shell gets to the command: a prompt, and who runs it.
_BEFORE = r"(?:\$ )?(?:sudo (?:-u \w+ )?)?"
_SHELL = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(rf"`{_BEFORE}(appliance [^`]+)`")
_OPERATORS = {"|", "||", "&&", ";", ">", ">>", "<", "<<", "&"}


def lines(page: str) -> Iterator[str]:
    """Each command line of a page, from the word `appliance` on."""
    for block in _SHELL.findall(page):
        for line in block.replace("\\\n", " ").splitlines():
            # Also behind what comes first in the same line.
            for part in re.split(r"(?:&&|\|\||[;|]) ", line):
                if found := re.match(rf"\s*{_BEFORE}(appliance .*)", part):
                    yield found[1]
    outside = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(line.split()) for line in _INLINE.findall(outside))


def meant(line: str) -> Iterator[list[str]]:
    """The words after `appliance`, once for each choice that is written `a|b|c`."""
    spoken = line.replace("…", "").replace("...", "")
    choices = [
        word.split("|") if re.fullmatch(r"[\w-]+(\|[\w-]+)+", word) else [word]
        for word in spoken.split(" ")
    ]
    for chosen in itertools.product(*choices):
        reader = shlex.shlex(" ".join(chosen), posix=True, punctuation_chars="|&;<>")
        reader.whitespace_split = True
        reader.commenters = "#"
        words = itertools.takewhile(lambda word: word not in _OPERATORS, reader)
        yield list(words)[1:]


def fault(words: list[str]) -> str:
    """What the command line would say of these words; empty where it would take them."""
    command: click.Command = cli
    context = click.Context(command)
    try:
        while isinstance(command, click.Group):
            _, rest, _ = command.make_parser(context).parse_args(list(words))
            if not rest or rest[0].isupper():
                return ""  # a family of commands, or COMMAND, spoken of as a whole
            name, found, words = command.resolve_command(context, rest)
            if found is None:
                return f"there is no {name}"
            context, command = click.Context(found, parent=context), found
        _, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    return f"too many words: {rest}" if rest else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_every_command_exists(page: Path) -> None:
    found = [*lines(page.read_text(encoding="utf-8"))]
    told = [f"{line}: {why}" for line in found for words in meant(line) if (why := fault(words))]
    assert told == []


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_every_block_of_code_is_one(page: Path) -> None:
    # One whose fence is indented is text, and what it holds is not looked at.
    fences = re.findall(r"^( *)```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [indent for indent, _ in fences if len(indent) > 3] == []
    assert [language for _, language in fences[1::2] if language] == []
    assert len(fences) % 2 == 0


def test_there_are_many_to_be_looked_at() -> None:
    assert sum(len([*lines(page.read_text(encoding="utf-8"))]) for page in PAGES) > 100


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("appliance people code|sing NAME", "No such command 'sing'."),
        ("appliance doctor --now", "No such option '--now'."),
        ("appliance status twice # a comment", "too many words: ['twice']"),
        ("appliance audit export | grep alice", ""),
        ("appliance --json verify --name alice --from door.jpg", ""),
    ],
)
def test_what_does_not_exist_is_found(line: str, why: str) -> None:
    assert [told for words in meant(line) if (told := fault(words))] == ([why] if why else [])


def test_every_hint_of_the_board_leads_to_a_part_of_its_page() -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8").lower()
    source = (ROOT / "appliance/doctor_board.py").read_text(encoding="utf-8").lower()
    # It says where on the page, once in brackets and once before a comma.
    named = set(re.findall(r"\{page\}, ([a-z\- ]+?)(?:\)|, )", source))
    assert len(named) > 5
    assert [part for part in named if not re.search(rf"^##+ {part}", page, re.MULTILINE)] == []
