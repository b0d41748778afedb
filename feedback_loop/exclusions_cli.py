"""`feedback-loop exclusions`: what a week's cleaning left out, and why.

Belongs here: arguments and what is printed. Does not belong here: the rules (`clean/`) and SQL (`store/exclusions.py`).
"""

from collections import Counter
from datetime import date, datetime
from typing import Any

import click

from feedback_loop.decisions_cli import application_option, as_json_option
from feedback_loop.environment import read_environment
from feedback_loop.records import EXCLUSION_REASONS, monday_of

_SHOWN = 50
EXAMPLES = """\b
Examples:
  feedback-loop exclusions --week 2026-01-05
  feedback-loop exclusions --week 2026-01-05 --reason campaign --json
"""


@click.command(epilog=EXAMPLES)
@click.option("--week", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Monday, 00:00 UTC.")
@click.option("--reason", type=click.Choice(EXCLUSION_REASONS), help="Of this reason only.")
@application_option
@as_json_option
def exclusions(week: datetime, reason: str | None, application: str | None, as_json: bool) -> None:
    """List the feedback of a week that is left out or weighs less, each record with its reason.

    An excluded record counts nowhere; of a wordless one only the words are not read; a weighted one counts in rates and
    verdicts and weighs less where patterns are ranked and earn tickets. Rules and how to overrule them: the settings
    under `clean`.
    """
    from feedback_loop import terminal
    from feedback_loop.store.engine import open_database
    from feedback_loop.store.exclusions import list_cleaning, list_exclusions

    day = week.date()
    if day != monday_of(day):
        raise click.BadParameter(f"a week is named by its Monday; {day} is a {day:%A}", param_hint="--week")
    with open_database(read_environment()) as engine, engine.connect() as conn:
        rows, counts = list_exclusions(conn, day, application, reason), list_cleaning(conn, day, application)
    if as_json:
        terminal.print_json(rows)
        return
    terminal.print_rows(terminal.console(), "exclusions", rows[:_SHOWN])
    if len(rows) > _SHOWN:
        click.echo(f"... and {len(rows) - _SHOWN:,} more; --json prints all")
    for line in _summary(day, rows, counts):
        click.echo(line)


def _summary(week: date, rows: list[dict[str, Any]], counts: list[dict[str, Any]]) -> list[str]:
    """Counts by application: everything, and the verified stream beside it."""
    if not counts:
        return [f"the week of {week} was not cleaned yet: run it with feedback-loop run --week {week}"]
    lines = []
    for row in counts:
        reasons = Counter(r["reason"] for r in rows if r["application"] == row["application"])
        told = ", ".join(f"{reason} {n:,}" for reason, n in sorted(reasons.items())) or "none"
        lines.append(
            f"{row['application']}: {row['n_feedback']:,} feedback records, {row['n_complaints']:,} complaints; "
            f"verified {row['n_verified']:,} and {row['n_verified_complaints']:,}; {row['n_excluded']:,} excluded, "
            f"{row['n_wordless']:,} wordless, {row['n_weighted']:,} weighted ({told})"
        )
    return lines
