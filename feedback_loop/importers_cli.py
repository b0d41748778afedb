"""`feedback-loop import`: our own format, export files of other tools, and sources of the settings.

Belongs here: arguments and what is printed. Does not belong here: importing (`intake/`).
"""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feedback_loop.environment import Environment, read_environment
from feedback_loop.errors import InputError

if TYPE_CHECKING:  # imported where they are used, so that `--help` answers at once
    from sqlalchemy import Engine

    from feedback_loop.intake.importing import ImportSummary

EXIT_REJECTED = 1


@click.command("import")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--from", "origin", metavar="TOOL", help="Another tool, or a source of the settings; see below.")
@click.option("--mapping", type=click.Path(dir_okay=False, path_type=Path), help="What the columns of tables are.")
@click.option("--application", help="That the records of another tool belong to.")
@click.option("--prompt-version", help="Of interactions of another tool that say none.")
@click.option("--max-line-mb", default=4, show_default=True, type=click.IntRange(1, 64), help="Reject longer lines.")
@click.pass_context
def import_records(
    ctx: click.Context,
    paths: tuple[str, ...],
    origin: str | None,
    mapping: Path | None,
    application: str | None,
    prompt_version: str | None,
    max_line_mb: int,
) -> None:
    """Import interactions, feedback, evaluations and deployments from JSON Lines (.jsonl, .jsonl.gz, - for stdin).

    Importing again adds nothing. Bad lines are kept in rejected_records, the rest goes on, and the exit status is 1.

    \b
    From export files of other tools (JSON, JSON Lines, CSV, Parquet):
      feedback-loop import --from langfuse|langsmith|phoenix|otel PATH...
      feedback-loop import --from tables --mapping columns.yaml PATH...
    What a source of the settings has since its last import:
      feedback-loop import --from NAME
    """  # noqa: D301 (click's mark for lines that are kept)
    from feedback_loop import terminal
    from feedback_loop.store.engine import open_database

    if origin is None and (mapping or application or prompt_version):
        ctx.fail("--mapping, --application and --prompt-version go with --from")
    if origin is None and not paths:
        ctx.fail("Missing argument 'PATH...'.")
    environment, console = read_environment(), terminal.console()
    with open_database(environment) as engine:
        if origin is None:
            summary = _own_files(engine, environment, paths, max_line_mb << 20)
        else:
            summary = _foreign(engine, environment, origin, paths, mapping, application, prompt_version)
    terminal.print_import(console, summary)
    for rule, n in getattr(summary, "n_left_out", {}).items():
        console.print(f"{n:,} left out: {rule}", markup=False)
    if (until := getattr(summary, "imported_to", None)) is not None:
        console.print(f"imported up to {until:%Y-%m-%d %H:%M} UTC")
    if summary.has_rejected:
        sys.exit(EXIT_REJECTED)


def _own_files(
    engine: "Engine", environment: Environment, paths: tuple[str, ...], max_line_bytes: int
) -> "ImportSummary":
    from feedback_loop import terminal
    from feedback_loop.config import load_settings
    from feedback_loop.identity import load_hash_key
    from feedback_loop.intake.importing import import_paths
    from feedback_loop.redaction.ner import load_redactor

    key, redactor = load_hash_key(environment), load_redactor(load_settings(environment).privacy)
    with terminal.import_progress(terminal.console(to_stderr=True)) as show:
        return import_paths(
            engine, paths, hash_key=key, on_progress=show, max_line_bytes=max_line_bytes, redactor=redactor
        )


def _foreign(
    engine: "Engine",
    environment: Environment,
    origin: str,
    paths: tuple[str, ...],
    mapping: Path | None,
    application: str | None,
    prompt_version: str | None,
) -> "ImportSummary":
    """Export files with the settings of a source of that name, or a source by its API."""
    from feedback_loop import terminal
    from feedback_loop.config import load_settings
    from feedback_loop.identity import load_hash_key
    from feedback_loop.intake.importers.opening import open_reader
    from feedback_loop.intake.importers.policy import TOOLS, choose_source
    from feedback_loop.intake.importers.running import import_files, import_source
    from feedback_loop.intake.importers.tables import load_mapping
    from feedback_loop.redaction.ner import load_redactor

    settings = load_settings(environment)
    policy = choose_source(settings.sources, origin, is_for_files=bool(paths))
    if policy is None:
        raise InputError(f"{origin} is neither a source of the settings nor one of {', '.join(TOOLS)}")
    policy = replace(
        policy,
        application=application or policy.application,
        prompt_version=prompt_version or policy.prompt_version,
        records=load_mapping(mapping) if mapping else policy.records,
    )
    key, progress = load_hash_key(environment), terminal.console(to_stderr=True)
    redactor = load_redactor(settings.privacy)
    if paths:
        with terminal.import_progress(progress) as show:
            return import_files(engine, paths, policy, hash_key=key, redactor=redactor, on_progress=show)
    now = datetime.now(UTC)  # noqa: TID251 (up to now)
    with open_reader(policy, environment, time.sleep) as reader, progress.status(f"importing from {policy.name}"):
        return import_source(engine, reader, policy, hash_key=key, now=now, redactor=redactor)
