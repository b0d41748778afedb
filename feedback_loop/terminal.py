"""What people read in a terminal: tables, progress, the story of the demo.

Belongs here: rich renderables made from rows and results. Does not belong here: arguments and exit statuses (`cli.py`),
or fetching anything.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from feedback_loop.redaction import visible

if TYPE_CHECKING:  # listings print rows; they need not wait for Dagster
    from feedback_loop.defs.demo import DemoVerdict, DemoWeek, Planted
    from feedback_loop.defs.runs import RunResult
    from feedback_loop.intake.importing import ImportSummary
    from feedback_loop.intake.importing import Progress as ImportProgress
    from feedback_loop.records import Verification

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "patterns": {
        "application": "application",
        "pattern_id": "pattern",
        "name": "name",
        "likely_cause": "cause",
        "severity": "sev",
        "status": "status",
        "n_occurrences_total": "events",
        "rate": "per 1,000",
        "last_seen_week": "last seen",
        "ticket_key": "ticket",
    },
    "tickets": {
        "application": "application",
        "ticket_key": "ticket",
        "title": "title",
        "route": "route",
        "priority": "prio",
        "status": "status",
        "created_week": "since",
        "verdict": "verdict",
        "verdict_as_of": "as of",
    },
    "audits": {
        "audit_number": "number",
        "application": "application",
        "pattern": "pattern",
        "comment": "what the user said",
    },
    "keys": {
        "key_id": "id",
        "kind": "kind",
        "application": "application",
        "origins": "origins",
        "created_at": "created",
        "revoked_at": "revoked",
    },
    "decisions": {
        "application": "application",
        "decided_at": "when",
        "author": "who",
        "ticket_key": "ticket",
        "pattern_id": "pattern",
        "name": "name",
        "decision": "decision",
        "value": "value",
        "counts": "counts",
    },
    "exclusions": {
        "application": "application",
        "reason": "reason",
        "effect": "effect",
        "weight": "weight",
        "feedback_id": "feedback",
        "interaction_id": "interaction",
        "user_hash": "user",
        "signal": "signal",
        "detail": "why",
    },
    "verifications": {
        "ticket_key": "ticket",
        "deployed_at": "deployed",
        "look_day": "day",
        "verdict": "verdict",
        "reduction": "cut",
        "ci_low": "from",
        "ci_high": "to",
        "n_expected": "expected",
        "n_after": "seen",
        "next_look_at": "next look",
        "reason": "reason",
    },
}
"""Listing -> key of a row -> heading."""

_STYLES = {"effective": "green", "partial": "yellow", "ineffective": "red", "worse": "red bold", "not_shown": "red"}
_PIPE_WIDTH = 180
_PERCENT = {"reduction", "ci_low", "ci_high"}
_PER_1000 = {"rate"}


def console(*, to_stderr: bool = False) -> Console:
    """Where to print. A pipe has no width of its own; tables in it may be as wide as they need."""
    found = Console(stderr=to_stderr)
    return found if found.is_terminal else Console(stderr=to_stderr, width=_PIPE_WIDTH)


def print_json(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as a JSON list on standard output; times in ISO 8601."""
    print(json.dumps([dict(row) for row in rows], indent=2, default=_to_json, ensure_ascii=False))  # noqa: T201


def _to_json(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def print_rows(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of a listing as a table. Text of users is shown, never interpreted, by rich or by the terminal."""
    columns = COLUMNS[title]
    if not rows:
        console.print(f"no {title}")
        return
    shown = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for heading in columns.values():
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(_format(key, row.get(key)), style=_STYLES.get(str(row.get(key)), "")) for key in columns))
    console.print(shown)


def _format(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in _PERCENT:
        return f"{value:.0%}"
    if key in _PER_1000:
        return f"{1000 * value:.1f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    return f"{value:,.1f}" if isinstance(value, float) else visible(str(value))


def print_audit(console: Console, row: Mapping[str, Any], n_open: int) -> None:
    """One event to be labelled: the question, the pattern, and what the event says."""
    console.rule(f"event {row['audit_number']}, {n_open} to label", align="left", style="dim")
    console.print("Is this a case of", Text(visible(row["pattern"]), "bold"), "?", sep=" ", soft_wrap=True)
    parts = ("description", "pattern"), ("user_input", "question"), ("output", "answer"), ("comment", "said of it")
    for key, heading in parts:
        if row[key]:
            console.print(Text.assemble((f"{heading:<11}", "cyan"), visible(str(row[key]))), soft_wrap=True)
    console.print(f"Answer with: feedback-loop audit label {row['audit_number']} yes|no|unsure", highlight=False)


@contextmanager
def import_progress(console: Console) -> Iterator[Any]:
    """Yields the callback of `import_paths`: a bar over the bytes, with records and rows per second."""
    bar = Progress(
        TextColumn("importing"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rows]:,} records, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task("import", total=None, rows=0, rate=0.0)

        def show(p: ImportProgress) -> None:
            rate = p.n_records / p.seconds if p.seconds else 0.0
            bar.update(task, completed=p.bytes_read, total=p.bytes_total or None, rows=p.n_records, rate=rate)

        yield show


def print_import(console: Console, summary: ImportSummary) -> None:
    """What an import did, and every reason a line was not taken for."""
    kinds = Table(header_style="bold")
    for heading in ("record", "new", "known already", "rejected"):
        kinds.add_column(heading, justify="left" if heading == "record" else "right")
    for kind in sorted({*summary.n_new, *summary.n_duplicate, *summary.n_rejected}):
        numbers = (summary.n_new[kind], summary.n_duplicate[kind], summary.n_rejected[kind])
        kinds.add_row(kind, *(f"{n:,}" for n in numbers))
    console.print(kinds)
    rate = summary.n_records / summary.seconds if summary.seconds else 0
    console.print(f"{summary.n_records:,} records in {summary.seconds:.1f} s, {rate:,.0f}/s")
    if summary.n_parked_feedback:
        console.print(f"{summary.n_parked_feedback:,} feedback records wait for an interaction that has not come yet")
    if summary.has_rejected:
        reasons = Table(title="rejected, kept in rejected_records", title_justify="left", header_style="bold red")
        reasons.add_column("reason", overflow="fold")
        reasons.add_column("lines", justify="right")
        for reason, n in summary.reasons.most_common(20):
            reasons.add_row(Text(visible(reason)), f"{n:,}")
        console.print(reasons)
        for example in summary.examples[:5]:
            source, reason = visible(example.source), visible(example.reason)
            console.print(Text(f"  {source}:{example.line_number}: {reason}"), soft_wrap=True)


def print_run(console: Console, result: RunResult, what: str) -> None:
    """One line per run, and what its checks found."""
    mark = Text("ok  ", "green") if not result.has_errors else Text("FAIL", "red bold")
    console.print(mark, Text(f"{what} {result.partition}  {_numbers(result)}"), soft_wrap=True)
    if result.error:
        console.print(Text(f"     {visible(result.error)} (run {result.run_id})", "red"), soft_wrap=True)
    if result.metadata.get("tickets", {}).get("is_dry_run"):
        said = "dry run: none of these tickets was made; they are listed in the asset `tickets`"
        console.print(Text(f"     {said}", "yellow"), soft_wrap=True)
    for is_error, check, text in result.problems:
        console.print(Text(f"     {check}: {visible(text)}", "red" if is_error else "yellow"), soft_wrap=True)


def _numbers(result: RunResult) -> str:
    wanted = (
        ("negative_feedback", "dagster/partition_row_count", "negative"),
        ("failure_patterns", "unassigned", "unassigned"),
        ("failure_patterns", "patterns_new", "new patterns"),
        ("tickets", "new_tickets", "new tickets"),
        ("fixes", "dagster/partition_row_count", "fixes"),
        ("verifications", "dagster/partition_row_count", "verdicts"),
    )
    found = [(result.metadata[asset][key], words) for asset, key, words in wanted if asset in result.metadata]
    return ", ".join(f"{n:,} {words}" for n, words in found)


def print_demo_week(console: Console, week: DemoWeek) -> None:
    """A week of the demo's story."""
    negative = week.metadata["negative_feedback"]["dagster/partition_row_count"]
    known = week.metadata["failure_patterns"]["patterns_known"]
    console.rule(f"week of {week.week}", align="left", style="dim")
    console.print(f"{week.n_records:,} records, {negative:,} unhappy answers, {known} patterns known")
    for key, title in week.new_tickets:
        console.print(Text.assemble("  new ticket ", (key, "bold"), f"  {visible(title)}"))
    for verdict in week.verdicts:
        look, truth = verdict.look, (f"  [planted: {verdict.planted.effect}]", "dim")
        word = (f"{look.verdict:<12}", _STYLES.get(look.verdict, ""))
        ticket = (verdict.ticket_key, "bold")
        console.print(Text.assemble(f"  day {look.look_day} of ", ticket, "  ", word, f" {_cut(look)}", truth))
    for key, seen, expected in week.returned:
        said = f" is back after its fix: {seen:,} seen since, about {expected:,.0f} if the fix held; reopened"
        console.print(Text.assemble("  ", (key, "bold"), (said, "yellow")))
    for decision in week.decisions:
        version = decision.deployment.prompt_version
        what = f"prompt version {version}" if version else "a change"
        names = ", ".join(decision.tickets)
        console.print(Text(f"  people ship {what} on {decision.deployment.deployed_at:%Y-%m-%d} for {names}", "cyan"))


def _cut(look: Verification) -> str:
    if look.reduction is None or look.ci_low is None or look.ci_high is None:
        return look.reason
    change = f"{abs(look.reduction):.0%} {'fewer' if look.reduction >= 0 else 'more'}"
    return f"{change} (range of the cut {look.ci_low:.0%} to {look.ci_high:.0%})"


def print_demo_end(console: Console, weeks: Sequence[DemoWeek], seconds: float, home: str) -> None:
    """What the demo showed, one row per fix by its largest ticket, and where to look next."""
    fixes: dict[tuple[datetime, Planted], dict[str, DemoVerdict]] = {}
    for verdict in (v for week in weeks for v in week.verdicts):  # a later look at a ticket replaces the earlier one
        fixes.setdefault((verdict.deployed_at, verdict.planted), {})[verdict.ticket_key] = verdict
    table = Table(title="verdicts beside the planted truth", title_justify="left", header_style="bold")
    headings = ("shipped", "what failed", "the fix really", "ticket", "expected", "seen", "verdict", "smaller tickets")
    for heading in headings:
        table.add_column(heading)
    for (shipped, planted), tickets in sorted(fixes.items(), key=lambda item: item[0][0]):
        main, *others = sorted(tickets.values(), key=lambda v: -(v.look.n_before or 0))
        look = main.look
        rest = Counter(v.look.verdict for v in others)
        table.add_row(
            *(f"{shipped:%Y-%m-%d}", planted.failure, planted.effect, main.ticket_key),
            *("" if n is None else f"{n:.0f}" for n in (look.n_expected, look.n_after)),
            Text(look.verdict, _STYLES.get(look.verdict, "")),
            ", ".join(f"{n} {word}" for word, n in sorted(rest.items())),
        )
    console.rule(style="dim")
    console.print(table)
    n_tickets = sum(len(week.new_tickets) for week in weeks)
    console.print(f"{len(weeks)} weeks, {n_tickets} tickets in {seconds:.0f} s. Look next at:")
    pages = Path(home, "demo", "tickets")
    place = f"{pages}/*.html" if pages.exists() else f"{home}/tickets/"
    console.print(f"  {place}      the tickets, as a PM reads them", highlight=False)
    console.print(
        "  feedback-loop tickets        the same as a table; also: patterns, verifications; --json for machines"
    )
    console.print("  feedback-loop dev            the assets, runs and checks of these weeks in the Dagster UI")


def wait_for_reader(console: Console, url: str) -> None:
    """Keep the emulated Jira up while somebody at a terminal looks at it; a pipe does not wait."""
    if console.is_terminal and sys.stdin.isatty():
        console.print(f"The emulated Jira is at {url} until you press Enter.", highlight=False)
        sys.stdin.readline()
