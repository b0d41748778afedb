"""`feedback-loop audit`: events of which people say whether they are cases of a pattern, without knowing more.

Belongs here: arguments and what is printed. Does not belong here: which events are drawn (`defs/auditing.py`), and what
labels say of a detector (`verify/audit.py`).
"""

from datetime import UTC, datetime

import click

from feedback_loop.decisions_cli import application_option, as_json_option, login_name, print_listing
from feedback_loop.environment import read_environment

LABELS = {"yes": True, "no": False, "unsure": None}

EXAMPLES = """\b
Examples:
  feedback-loop audit next
  feedback-loop audit label 60412 yes
"""


@click.group(invoke_without_command=True, epilog=EXAMPLES)
@application_option
@as_json_option
@click.pass_context
def audit(ctx: click.Context, application: str | None, as_json: bool) -> None:
    """List events that wait for a label; or read and label them.

    Each asks whether an event is a case of a failure pattern. They are cases that the detector of a verdict found and
    cases that it did not, before and after the fix: you are not told which, so that your answers can tell whether it
    counts the same on both sides. With enough of them a verdict closes its ticket by itself.
    """
    if ctx.invoked_subcommand is None:
        print_listing("audits", application, as_json)
    elif application is not None or as_json:
        ctx.fail(f"write options after the command: feedback-loop audit {ctx.invoked_subcommand} ...")


@audit.command("next")
@application_option
def show_next(application: str | None) -> None:
    """Show the next event that waits for a label."""
    from feedback_loop import terminal
    from feedback_loop.store import auditing, decisions
    from feedback_loop.store.engine import open_database

    with open_database(read_environment()) as engine, engine.connect() as conn:
        rows = decisions.with_names(conn, auditing.list_audits(conn, application), "pattern", application)
    if rows:
        terminal.print_audit(terminal.console(), rows[0], len(rows))
    else:
        click.echo("nothing waits for a label; events are drawn with the looks of `feedback-loop verify`")


@audit.command()
@click.argument("number", type=click.IntRange(1))
@click.argument("answer", type=click.Choice(list(LABELS)))
@click.option("--by", help="Who says so; default: your login name on this machine.")
def label(number: int, answer: str, by: str | None) -> None:
    """Say whether event NUMBER is a case of its pattern; a later answer replaces an earlier one.

    An answer of unsure is left out, and counted.
    """
    from feedback_loop.store import auditing
    from feedback_loop.store.engine import open_database

    who = by if by is not None else login_name("--by")
    if not who.strip():
        raise click.BadParameter("a label needs a name", param_hint="--by")
    now = datetime.now(UTC)  # noqa: TID251 (a label is given now)
    with open_database(read_environment()) as engine, engine.begin() as conn:
        auditing.label_audit(conn, number, is_member=LABELS[answer], by=who, at=now)
        n_open = auditing.count_labels(conn)["open"]
    click.echo(f"event {number}: {answer}, by {who}; {n_open} to label")
