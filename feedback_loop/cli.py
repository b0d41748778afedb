"""The `feedback-loop` command.

Belongs here: arguments, what is printed, exit statuses. Does not belong here: anything worth a test without a terminal;
that is a function of `defs/` or `intake/`, imported where it is called, so that `--help` answers at once.

Exit status: 0 done; 1 failed, and trying again cannot help; 2 wrong usage; 75 failed, the same call may succeed later.
"""

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

import feedback_loop
from feedback_loop.environment import read_environment
from feedback_loop.errors import FeedbackLoopError, TransientError

EXIT_PERMANENT, EXIT_TRANSIENT = 1, 75

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Try it": ("demo", "simulate"),
    "The weekly loop": ("import", "run", "deployed", "verify"),
    "Read the results": ("patterns", "tickets", "verifications"),
    "Operate": ("dev", "db", "doctor"),
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
    r"""Print the URL of the database, password and all.

    \b
      psql "$(feedback-loop db url)"
      export FEEDBACK_LOOP_DAGSTER_URL="$(feedback-loop db url --dagster)"

    The embedded server answers at its URL while something keeps it up: `feedback-loop dev`, or any other command that
    uses the database and has not ended yet.
    """
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
