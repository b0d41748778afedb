"""`feedback-loop tickets`: the listing, and letting waiting tickets go.

Belongs here: arguments and what is printed. Does not belong here: what becomes of a released ticket (`defs/filing.py`).
"""

import click

from feedback_loop.decisions_cli import application_option, as_json_option, print_listing
from feedback_loop.environment import read_environment
from feedback_loop.errors import NotFoundError


@click.group(invoke_without_command=True)
@application_option
@as_json_option
@click.pass_context
def tickets(ctx: click.Context, application: str | None, as_json: bool) -> None:
    """List the tickets with their newest verdict; or release those that wait."""
    if ctx.invoked_subcommand is None:
        print_listing("tickets", application, as_json)
    elif application is not None or as_json:
        ctx.fail(f"write options after the command: feedback-loop tickets {ctx.invoked_subcommand} ...")


@tickets.command()
@click.argument("names", nargs=-1, required=True, metavar="TICKET...")
def release(names: tuple[str, ...]) -> None:
    """Let tickets that wait for a person go to the tracker, with the next run.

    \b
      feedback-loop tickets release W-3 W-4
    """  # noqa: D301 (click's mark for lines that are kept)
    from feedback_loop.store import tickets as ledger
    from feedback_loop.store.engine import open_database

    with open_database(read_environment()) as engine, engine.begin() as conn:
        waiting = {f"W-{t.ticket_number}": t for t in ledger.load_tickets(conn) if t.status == "waiting"}
        unknown = [name for name in names if name not in waiting]
        if unknown:
            there = ", ".join(waiting) or "none"
            raise NotFoundError(f"no ticket {', '.join(unknown)} waits for its release; those that do: {there}")
        for name in names:
            ledger.release_ticket(conn, waiting[name])
            click.echo(f"released {name}: {waiting[name].title}")
