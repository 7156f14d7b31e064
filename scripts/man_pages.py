# ruff: noqa: INP001 - a script, no package
"""Writes docs/man from the commands themselves; with `--check` only says whether it is current."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from bsm_remediate import __version__
from bsm_remediate.cli import COMMANDS, main

FOLDER = Path(__file__).parent.parent / "docs" / "man"
PROGRAM = "bsm-remediate"
_EXIT_CODES = (
    ("0", "done"),
    ("1", "findings, failed expectations or a failed run"),
    ("2", "wrong usage or an invalid bundle"),
    ("3", "server or backend not reachable"),
    ("5", "a plan no longer fits"),
    ("10", "plan --exit-code with steps"),
    ("130", "interrupted"),
)
_ENVIRONMENT = (
    ("BSM_URL", "the server that is asked; without it the local database is read"),
    ("BSM_TOKEN, BSM_TOKEN_FILE", "the token that is shown to it; of serve, an administrator's"),
    ("BSM_STATE_DIR", "database, artifacts and cache; else STATE_DIRECTORY, else $XDG_STATE_HOME/bsm-remediate"),
    ("BSM_DATABASE, BSM_DATABASE_FILE", "the database"),
    ("BSM_JOURNAL_KEY_FILE", "the keys of the journal's seal; else one is made in the state directory"),
    ("BSM_POLICIES, BSM_INVENTORY, BSM_PLAYBOOKS, BSM_HOST, BSM_PORT", "as the options of these names"),
)


def main_page() -> str:
    """The page of the program, which names all others."""
    ctx = _root()
    lines = [*_head(PROGRAM, str(main.help).splitlines()[0]), *_synopsis(ctx, "[OPTIONS] COMMAND [ARGS]...")]
    lines += [".SH DESCRIPTION", *_paragraphs(main.help or "")]
    lines += [".SH OPTIONS", *_options(ctx)]
    lines.append(".SH COMMANDS")
    for title, commands in COMMANDS.items():
        lines.append(f".SS {_text(title)}")
        for name, _, about in commands:
            lines += [".TP", f".BR {_text(f'{PROGRAM}-{name}')} (1)", _text(about)]
    lines += [".SH EXIT STATUS", *_pairs(_EXIT_CODES)]
    lines += [".SH ENVIRONMENT", *_pairs(_ENVIRONMENT)]
    lines += [".SH FILES", *_pairs((("bsm-remediate.toml", "deployment settings, in the current folder"),))]
    lines += _examples(main.epilog)
    return "\n".join(lines) + "\n"


def command_page(name: str) -> Iterator[tuple[str, str]]:
    """Name and text of the page of a command, and of those below it."""
    root = _root()
    command = main.get_command(root, name)
    assert command is not None, name  # noqa: S101 - the table names it
    yield from _pages(click.Context(command, info_name=name, parent=root), f"{PROGRAM}-{name}")


def _root() -> click.Context:
    return main.context_class(main, info_name=PROGRAM, **main.context_settings)


def _pages(ctx: click.Context, page: str) -> Iterator[tuple[str, str]]:
    command = ctx.command
    about = (command.help or "").replace("\b", "").strip().splitlines()[0]
    lines = [*_head(page, about), *_synopsis(ctx, " ".join(command.collect_usage_pieces(ctx)))]
    lines += [".SH DESCRIPTION", *_paragraphs(command.help or ""), ".SH OPTIONS", *_options(ctx)]
    inner = command.commands if isinstance(command, click.Group) else {}
    if inner:
        lines += [".SH COMMANDS", *_pairs(tuple((name, one.get_short_help_str(200)) for name, one in inner.items()))]
    lines += _examples(command.epilog)
    lines += [".SH SEE ALSO", f".BR {_text(PROGRAM)} (1)"]
    yield page, "\n".join(lines) + "\n"
    for name, one in inner.items():
        yield from _pages(click.Context(one, info_name=name, parent=ctx), f"{page}-{name}")


def _head(page: str, about: str) -> list[str]:
    # No date: the page must not change unless the command does.
    title = f'.TH "{page.upper()}" "1" "" "bsm-remediate {__version__}" "bsm-remediate"'
    name = f"{_text(page)} \\- {_text(about.split('. ', maxsplit=1)[0].rstrip('.'))}"
    return ['.\\" Written by scripts/man_pages.py from the commands; changes belong there.', title, ".SH NAME", name]


def _synopsis(ctx: click.Context, usage: str) -> list[str]:
    return [".SH SYNOPSIS", f".B {_text(ctx.command_path)}", _text(usage)]


def _options(ctx: click.Context) -> list[str]:
    lines: list[str] = []
    for parameter in ctx.command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and record[1]:  # arguments stand in the synopsis
            lines += [".TP", f".B {_text(record[0])}", _text(" ".join(record[1].split()))]
    return lines


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [line for name, about in pairs for line in (".TP", f".B {_text(name)}", _text(about))]


def _paragraphs(text: str) -> list[str]:
    """Paragraphs are filled, save those that click is told to leave as they are."""
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        written = [line for line in paragraph.splitlines() if line.strip() != "\b"]
        if "\b" in paragraph:
            lines += [".PP", ".nf", *(_text(line) for line in written), ".fi"]
        else:
            lines += [".PP", _text(" ".join(" ".join(written).split()))]
    return lines[1:] if lines[:1] == [".PP"] else lines


def _examples(epilog: str | None) -> list[str]:
    if not epilog:
        return []
    text = epilog.replace("\b", "").strip()
    parts = text.split("\n\n")[0].splitlines()
    first = parts[0].removeprefix("Examples:").removeprefix("Example:").strip()
    examples = [*([first] if first else []), *(line.strip() for line in parts[1:])]
    return [".SH EXAMPLES", ".nf", *(_text(line) for line in examples if line), ".fi"]


def _text(text: str) -> str:
    """`text` as roff takes it: no character of it is a command."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    escaped = escaped.replace("^", "\\(ha").replace("~", "\\(ti")
    escaped = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in escaped)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def pages() -> Mapping[str, str]:
    """By the name of the file."""
    found = {PROGRAM: main_page()}
    for commands in COMMANDS.values():
        for name, _, _ in commands:
            found.update(command_page(name))
    return {f"{name}.1": text for name, text in found.items()}


def run() -> int:
    wanted = pages()
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.1")}
    if "--check" in sys.argv[1:]:
        stale = sorted(name for name in wanted.keys() | written.keys() if wanted.get(name) != written.get(name))
        for name in stale:
            sys.stderr.write(f"docs/man/{name} is not current; run scripts/man_pages.py\n")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in written.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run())
