"""`feedback-loop patterns`: the listing, and how people correct it; also what all listings share.

Belongs here: arguments and what is printed. Does not belong here: what a decision must be (`store/decisions.py`), the
rest of the command (`cli.py`). Heavy things are imported where they are used, so that `--help` answers at once.
"""

import getpass
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import click

from feedback_loop.environment import read_environment
from feedback_loop.errors import InputError
from feedback_loop.records import Cause, DecisionKind

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
application_option = click.option("--application", help="Of this application only.")
which_option = click.option("--application", help="Where several applications have a pattern of that id.")
author_option = click.option("--author", help="Who decides; default: your login name on this machine.")

EXAMPLES = """\b
Examples:
  feedback-loop patterns --application shop
  feedback-loop patterns rename FL-3 "Broken links to the help centre"
  feedback-loop patterns merge FL-4 FL-3
"""

LISTINGS: Mapping[str, tuple[str, str | None]] = {
    "patterns": ("decisions", None),  # knows people's names already
    "decisions": ("decisions", None),
    "audits": ("auditing", "pattern"),
    "tickets": ("tickets", "title"),
    "verifications": ("fixes", "name"),
}
"""Listing -> the module of `store` that has `list_<listing>`, and the column that a person's name replaces."""


def print_listing(title: str, application: str | None, as_json: bool) -> None:
    """Print what the store's function for a listing says, with the names that people gave."""
    from importlib import import_module

    from feedback_loop import terminal
    from feedback_loop.store import decisions
    from feedback_loop.store.engine import open_database

    module, name_column = LISTINGS[title]
    query = getattr(import_module(f"feedback_loop.store.{module}"), f"list_{title}")
    with open_database(read_environment()) as engine, engine.connect() as conn:
        rows = query(conn, application)
        if name_column:
            rows = decisions.with_names(conn, rows, name_column, application)
    if as_json:
        terminal.print_json(rows)
    else:
        terminal.print_rows(terminal.console(), title, _in_words(rows) if title == "patterns" else rows)


def _in_words(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Patterns for a table: their status also says whether they are muted, or where they count instead."""
    called = {(r["application"], r["pattern_id"]): r["ticket_key"] or r["pattern_id"] for r in rows}
    shown = []
    for row in rows:
        status, end = f"{row['status']}, muted" if row["is_muted"] else row["status"], row["merged_into"]
        shown.append({**row, "status": f"merged into {called.get((row['application'], end), end)}" if end else status})
    return shown


@click.group(invoke_without_command=True, epilog=EXAMPLES)
@application_option
@as_json_option
@click.pass_context
def patterns(ctx: click.Context, application: str | None, as_json: bool) -> None:
    """List the failure patterns: how often they hit, since when, and their tickets; or correct them.

    A pattern is named by its id or its ticket. What people decide outranks what a model or a rule says, in every week
    that runs from now on.
    """
    if ctx.invoked_subcommand is None:
        print_listing("patterns", application, as_json)
    elif application is not None or as_json:
        ctx.fail(f"write options after the command: feedback-loop patterns {ctx.invoked_subcommand} ...")


@patterns.command("decisions")
@application_option
@as_json_option
def list_decisions(application: str | None, as_json: bool) -> None:
    """List what was decided, by whom and when."""
    print_listing("decisions", application, as_json)


@patterns.command()
@click.argument("pattern")
@click.argument("into")
@author_option
@which_option
def merge(pattern: str, into: str, author: str | None, application: str | None) -> None:
    """Count PATTERN as INTO from now on: they are one failure."""
    if _decide(pattern, "merge", into, author, application):
        click.echo("where both have a ticket, the next `feedback-loop verify` closes one as a duplicate")


@patterns.command()
@click.argument("pattern")
@click.argument("name")
@author_option
@which_option
def rename(pattern: str, name: str, author: str | None, application: str | None) -> None:
    """Give PATTERN a name that no model changes."""
    _decide(pattern, "rename", name, author, application)


@patterns.command()
@click.argument("pattern")
@author_option
@which_option
def mute(pattern: str, author: str | None, application: str | None) -> None:
    """Make no ticket for PATTERN.

    On a ticket that it has already, nothing more is said but the verdicts on its fixes.
    """
    _decide(pattern, "mute", None, author, application)


@patterns.command()
@click.argument("pattern")
@author_option
@which_option
def unmute(pattern: str, author: str | None, application: str | None) -> None:
    """Undo a mute."""
    _decide(pattern, "unmute", None, author, application)


@patterns.command()
@click.argument("pattern")
@click.argument("likely_cause", metavar="CAUSE", type=click.Choice(get_args(Cause)))
@author_option
@which_option
def cause(pattern: str, likely_cause: str, author: str | None, application: str | None) -> None:
    """Say what causes PATTERN, and with it where a fix belongs.

    CAUSE is prompt, retrieval, model, product or unknown.
    """
    _decide(pattern, "cause", likely_cause, author, application)


def _decide(
    pattern: str, decision: DecisionKind, value: str | None, author: str | None, application: str | None
) -> bool:
    """Record a decision and say so; returns whether it is new."""
    from feedback_loop.store import decisions
    from feedback_loop.store.engine import open_database

    who = author if author is not None else login_name("--author")
    now = datetime.now(UTC)  # noqa: TID251 (a decision is made now)
    with open_database(read_environment()) as engine, engine.begin() as conn:
        made, is_new = decisions.decide(
            conn, pattern, decision, value, author=who, decided_at=now, application=application
        )
    said = f"{made.pattern_id}: {decision}" + (f" {made.value}" if made.value else "")
    click.echo(f"recorded {said}, by {made.author}" if is_new else f"{said}: it is so already, nothing recorded")
    return is_new


def login_name(option: str) -> str:
    """Who runs the command.

    Raises:
        InputError: this machine does not say; names the option to give it with.
    """
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:  # KeyError and ImportError before Python 3.13
        raise InputError(f"this machine does not say who you are: give your name with {option}") from error
