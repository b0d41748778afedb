"""The `feedback-loop` command.

Belongs here: arguments, what is printed, exit statuses. Does not belong here: anything worth a test without a terminal;
that is a function of `defs/` or `intake/`, imported where it is called, so that `--help` answers at once.

Exit status: 0 done; 1 failed, and trying again cannot help; 2 wrong usage; 75 failed, the same call may succeed later.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

import feedback_loop
from feedback_loop.audit_cli import audit
from feedback_loop.decisions_cli import application_option, as_json_option, patterns, print_listing
from feedback_loop.environment import read_environment
from feedback_loop.errors import FeedbackLoopError, TransientError
from feedback_loop.exclusions_cli import exclusions
from feedback_loop.importers_cli import import_records
from feedback_loop.privacy_cli import forget, privacy
from feedback_loop.serve_cli import keys, serve
from feedback_loop.tickets_cli import tickets

EXIT_PERMANENT, EXIT_TRANSIENT = 1, 75

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Try it": ("demo", "simulate"),
    "The weekly loop": ("import", "run", "deployed", "verify", "audit", "placebos"),
    "Read the results": ("patterns", "tickets", "verifications", "exclusions"),
    "Privacy": ("forget", "privacy"),
    "Operate": ("dev", "serve", "keys", "db", "doctor"),
}

EXAMPLES = """\b
Examples:
  feedback-loop demo
  feedback-loop import exports/*.jsonl.gz
  feedback-loop run --week 2026-01-05 --through 2026-01-26
  feedback-loop deployed v7 --fixes FL-3
  feedback-loop dev
"""


class Program(click.Group):
    """The command group: help in sections, and the one place that turns our errors into an exit status."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, with their one-line purposes."""
        for section, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, command.get_short_help_str(100)) for name, command in commands if command]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; say an error of ours in one message on stderr."""
        try:
            return super().invoke(ctx)
        except FeedbackLoopError as error:
            if ctx.params["traceback"]:
                raise
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            click.secho(str(error), fg="red", err=True)
            ctx.exit(EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_PERMANENT)


@click.group(
    cls=Program,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(feedback_loop.__version__, prog_name="feedback-loop")
@click.option("--traceback", is_flag=True, help="Show where an error comes from.")
def cli(traceback: bool) -> None:
    """Close the feedback loop of an LLM application.

    From negative feedback to failure patterns, tickets, and fixes that are verified by a rate test. Without
    configuration everything lies under .feedback_loop/ in this directory, on an embedded PostgreSQL that is started on
    demand; FEEDBACK_LOOP_DATABASE_URL names your own.
    """


DAY = click.DateTime(formats=["%Y-%m-%d"])
MONTH = click.DateTime(formats=["%Y-%m"])


class Time(click.ParamType[datetime]):
    """A time with a zone, RFC 3339; a plain date is its midnight UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it, or fail with a usage error."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write it as 2026-02-03T10:00:00Z", param, ctx)
        if at.tzinfo is None and len(value) > len("2026-02-03"):
            self.fail(f"{value!r} has no time zone; write it as 2026-02-03T10:00:00Z", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


@cli.command()
@click.option("--seed", default=7, show_default=True, help="Another seed, another world.")
@click.option("--weeks", default=12, show_default=True, type=click.IntRange(1, 52), help="Weeks to live through.")
@click.option(
    "--analyst",
    default="offline",
    show_default=True,
    type=click.Choice(["offline", "anthropic-emulator"]),
    help="Who describes and names: rules, or the Claude client against an emulated API.",
)
@click.option(
    "--tracker",
    default="local",
    show_default=True,
    type=click.Choice(["local", "jira-emulator"]),
    help="Where tickets go: Markdown files, or the Jira client against an emulated Jira.",
)
def demo(seed: int, weeks: int, analyst: str, tracker: str) -> None:
    """Live through twelve weeks of a simulated assistant: patterns, tickets, fixes, verdicts. Needs no keys.

    Uses .feedback_loop/ in this directory, or the directory named by FEEDBACK_LOOP_HOME.
    """
    from feedback_loop import terminal
    from feedback_loop.definitions import build_definitions
    from feedback_loop.defs.demo import Demo
    from feedback_loop.defs.demo_surroundings import demo_surroundings
    from feedback_loop.testing.simulator_plan import SimulatorSettings

    started, console, environment = time.monotonic(), terminal.console(), read_environment()
    settings = SimulatorSettings(seed=seed, n_weeks=weeks)
    with demo_surroundings(analyst, tracker, settings.week_start(0)) as around:
        world = Demo(environment, build_definitions(around.resources), settings, around)
        world.run(lambda week: terminal.print_demo_week(console, week))
        terminal.print_demo_end(console, world.weeks, time.monotonic() - started, os.path.relpath(environment.home))
        if around.jira is not None:
            terminal.wait_for_reader(console, around.jira.base_url)


@cli.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory to write to.")
@click.option("--seed", default=7, show_default=True, help="Another seed, another world.")
@click.option("--weeks", default=12, show_default=True, type=click.IntRange(1, 520), help="Weeks of traffic.")
@click.option("--sessions", default=5600, show_default=True, type=click.IntRange(1), help="Sessions in the first week.")
def simulate(out: Path, seed: int, weeks: int, sessions: int) -> None:
    """Write simulated traffic with planted failures, and truth.json that says which they are."""
    from feedback_loop.testing.simulator import write_simulation
    from feedback_loop.testing.simulator_plan import SimulatorSettings

    settings = SimulatorSettings(seed=seed, n_weeks=weeks, sessions_per_week=sessions)
    written = write_simulation(out, settings, lambda name, n: click.echo(f"{name}: {n:,} records"))
    click.echo(
        f"{sum(written.values()):,} records in {len(written)} files; import them with: feedback-loop import {out}"
    )


cli.add_command(import_records)


@cli.command()
@click.option("--week", required=True, type=DAY, help="Monday of the week.")
@click.option("--through", type=DAY, help="Run every week up to this one, in order.")
def run(week: datetime, through: datetime | None) -> None:
    """Run the weekly loop through Dagster: extract, describe, cluster, prioritise, route, metrics.

    Running a week again gives the same rows and the same tickets. Exit status 1 where a run or a check of it failed.
    """
    from feedback_loop import terminal
    from feedback_loop.definitions import defs
    from feedback_loop.defs.runs import open_loop, weeks_between

    console, progress, failed = terminal.console(), terminal.console(to_stderr=True), False
    weeks = weeks_between(week.date(), (through or week).date())
    with open_loop(read_environment(), defs) as loop:
        for monday in weeks:
            with progress.status(f"running the week of {monday}"):
                result = loop.run_week(monday)
            terminal.print_run(console, result, "week")
            failed = failed or result.has_errors
            if not result.is_success:
                break
    sys.exit(EXIT_PERMANENT if failed else 0)


@cli.command()
@click.option("--as-of", type=DAY, help="Make the looks that are due by the start of this day (UTC); default: today.")
def verify(as_of: datetime | None) -> None:
    """Say of every deployed fix that is due whether its pattern's rate really fell."""
    from feedback_loop import terminal
    from feedback_loop.definitions import defs
    from feedback_loop.defs.runs import open_loop

    console, at = terminal.console(), as_of or datetime.now(UTC)  # noqa: TID251 (the default is today)
    with open_loop(read_environment(), defs) as loop:
        result = loop.verify(at)
    terminal.print_run(console, result, "looks due by the end of")
    sys.exit(EXIT_PERMANENT if result.has_errors else 0)


@cli.command()
@click.option("--month", type=MONTH, help="Month to run at the end of, YYYY-MM; default: the last that is over.")
def placebos(month: datetime | None) -> None:
    """Measure how often fixes that never were would be called effective, on your own data.

    `feedback-loop dev` does so on the first of each month; without a known and low rate no verdict closes its ticket.
    """
    from feedback_loop import terminal
    from feedback_loop.definitions import defs
    from feedback_loop.defs.runs import open_loop

    this_month = datetime.now(UTC).replace(day=1)  # noqa: TID251 (the default is the month before this one)
    with open_loop(read_environment(), defs) as loop:
        result = loop.try_placebos((month or this_month - timedelta(days=1)).date())
    terminal.print_run(terminal.console(), result, "placebo fixes of the month from")
    sys.exit(EXIT_PERMANENT if result.has_errors else 0)


cli.add_command(audit)


@cli.command()
@click.argument("version")
@click.argument("more_tickets", nargs=-1, metavar="")
@click.option("--fixes", multiple=True, required=True, metavar="TICKET...", help="Tickets or patterns it is to fix.")
@click.option("--at", type=Time(), help="When it was deployed; default: now.")
@click.option("--application", help="Default: that of the first ticket or pattern.")
@click.option("--prompt-name", help="Of the version, where an application has several prompts.")
@click.option("--share", default=1.0, show_default=True, help="Share of the traffic, above 0 up to 1.")
@click.option("--rationale", help="Why this should help.")
def deployed(
    version: str,
    more_tickets: tuple[str, ...],
    fixes: tuple[str, ...],
    at: datetime | None,
    application: str | None,
    prompt_name: str | None,
    share: float,
    rationale: str | None,
) -> None:
    """Record that prompt VERSION was deployed to fix tickets; write - for a change without a prompt version.

    \b
      feedback-loop deployed v7 --fixes FL-3 FL-4 --at 2026-02-03T10:00:00Z
    """  # noqa: D301 (click's mark for lines that are kept)
    from feedback_loop.identity import load_hash_key
    from feedback_loop.intake.deployments import record_deployment
    from feedback_loop.store.decisions import applications_of
    from feedback_loop.store.engine import open_database

    environment, names = read_environment(), (*fixes, *more_tickets)
    with open_database(environment) as engine, engine.begin() as conn:
        known = applications_of(conn, names, application)
        name = record_deployment(
            conn,
            hash_key=load_hash_key(environment),
            deployed_at=at or datetime.now(UTC),  # noqa: TID251 (the default is now)
            application=application or known.get(names[0]) or "default",
            prompt_name=prompt_name,
            prompt_version=None if version == "-" else version,
            rollout_share=share,
            fixes=names,
            rationale=rationale,
        )
    click.echo(f"recorded {name}")
    for unknown in (n for n in names if n not in known):
        click.secho(f"no ticket or pattern {unknown} yet: kept, and used when there is one", fg="yellow", err=True)


cli.add_command(patterns)


cli.add_command(tickets)
cli.add_command(exclusions)


cli.add_command(serve)


cli.add_command(keys)


cli.add_command(forget)


cli.add_command(privacy)


@cli.command()
@application_option
@as_json_option
def verifications(application: str | None, as_json: bool) -> None:
    """List every look at every fix: what was expected, what was seen, and the verdict."""
    print_listing("verifications", application, as_json)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the UI listens on.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port the UI listens on.")
def dev(host: str, port: int) -> None:
    """Serve the Dagster UI with the weekly schedule on; Ctrl-C stops it all."""
    from feedback_loop.defs.dev import run_dev

    sys.exit(run_dev(read_environment(), host, port))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check that everything needed is there, and say what to do where it is not."""
    from feedback_loop.defs.doctor import examine

    checks = examine(read_environment())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            click.secho("ok    " if check.is_ok else "FAIL  ", fg="green" if check.is_ok else "red", nl=False)
            click.echo(f"{check.name}: {check.detail}")
    if not all(check.is_ok for check in checks):
        sys.exit(EXIT_PERMANENT)


@cli.group()
def db() -> None:
    """Address and schema of the database."""


@db.command("url")
@click.option("--dagster", is_flag=True, help="Of Dagster's own storage, for FEEDBACK_LOOP_DAGSTER_URL.")
def db_url(dagster: bool) -> None:
    """Print the URL of the database, password and all.

    \b
      psql "$(feedback-loop db url)"
      export FEEDBACK_LOOP_DAGSTER_URL="$(feedback-loop db url --dagster)"

    The embedded server answers at its URL while something keeps it up: `feedback-loop dev`, or any other command that
    uses the database and has not ended yet.
    """  # noqa: D301
    from feedback_loop.store import engine

    environment = read_environment()
    url = engine.database_url(environment)
    if dagster:
        if environment.database_url and not environment.dagster_url:
            with engine.connect(environment) as own:
                engine.ensure_dagster_schema(own)
        url = engine.dagster_url(environment, url)  # with the driver: Dagster does not rewrite it
    else:
        url = url.set(drivername="postgresql")  # without: psql and others do not know it
    click.echo(url.render_as_string(hide_password=False))


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema; make a backup of your own one first."""
    from feedback_loop.store import engine, schema

    with engine.connect(read_environment()) as database:
        before, after = schema.upgrade(database)
    click.echo(f"schema {after}: nothing to do" if before == after else f"schema {before or '(none)'} -> {after}")


def main() -> None:
    """Entry point. SIGTERM and SIGHUP leave through the same doors as Ctrl-C: the embedded server is stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    cli()


if __name__ == "__main__":
    main()
