"""The daily half of the loop: fixes that were deployed, the looks at them that are due, and what becomes of tickets.

Belongs here: what each daily asset reads, calls, stores and reports; and the monthly placebo fixes. Does not belong
here: the verdict (`verify/`), how looks are made (`verdicts.py`) and watched (`aftermath.py`).
"""

import dagster as dg
import pandas as pd

from feedback_loop.config import Settings
from feedback_loop.defs import metadata
from feedback_loop.defs.aftermath import placebos_of, regressions_found, watch_due
from feedback_loop.defs.analysis import Spent, budget_check, within_budget
from feedback_loop.defs.auditing import draw_audits, label_by_analyst
from feedback_loop.defs.closing import plan_closings
from feedback_loop.defs.courts import courts
from feedback_loop.defs.guarding import guard_results, guard_specs, placebo_check
from feedback_loop.defs.late_facts import late_facts_check
from feedback_loop.defs.partitions import DAYS, MONTHS
from feedback_loop.defs.resources import Alerts, AnalystResource, Database, EmbedderResource, TrackerResource
from feedback_loop.defs.ticketing import (
    about_filing,
    about_following,
    everything_filed,
    everything_read,
    file_plan,
    filed_check,
    planned_words,
    planning,
    read_check,
    read_tickets,
)
from feedback_loop.defs.tracking import plan_deployed, plan_merges, plan_regressions, plan_verdicts
from feedback_loop.defs.verdicts import pictures_of, scores_of
from feedback_loop.records import Verification, monday_of
from feedback_loop.store import aftermath, auditing, switching, tables
from feedback_loop.store import fixes as fix_store
from feedback_loop.verify import METHOD_VERSION, PlaceboRates, due_at

_SHOWN = (
    "fix_id",
    "look_day",
    "verdict",
    "n_after",
    "n_expected",
    "reduction",
    "ci_low",
    "ci_high",
    "q_value",
    "reason",
)
SettingsParam = dg.ResourceParam[Settings]


@dg.asset(
    deps=["tickets"],
    partitions_def=DAYS,
    group_name="verify",
    kinds={"postgres"},
    code_version="ticket-states-1",
    metadata=metadata.about_table(tables.tickets, tables.pattern_decisions),
    check_specs=[read_check("ticket_states")],
)
def ticket_states(
    context: dg.AssetExecutionContext,
    database: Database,
    settings: SettingsParam,
    tracker: TrackerResource,
    alerts: Alerts,
) -> dg.MaterializeResult:
    """What people did with the tickets: released, moved, ended or reopened them, shipped a fix."""
    followed = read_tickets(database, tracker, settings, context.partition_time_window.end)
    return dg.MaterializeResult(metadata=about_following(followed), check_results=[everything_read(followed, alerts)])


@dg.asset(
    deps=["deployments", ticket_states],
    partitions_def=DAYS,
    group_name="verify",
    kinds={"postgres", "sql"},
    code_version="fixes-2",
    metadata=metadata.about_table(tables.fixes),
)
def fixes(context: dg.AssetExecutionContext, database: Database, settings: SettingsParam) -> dg.MaterializeResult:
    """Deployments and resolved tickets that claim to fix a pattern; their tickets are told when the verdict comes."""
    as_of = context.partition_time_window.end
    with database.begin() as conn:
        found = fix_store.resolve_fixes(conn, as_of)
        first = {(f.application, f.fix_id): due_at(f, settings.verify.looks[0]).date() for f in found}
        parked = fix_store.parked_claims(conn)
    with planning(database, settings) as conn:
        plan_deployed(conn, found, first, as_of, settings.tracker.field_name)
        would_say = planned_words(conn, settings)
    names = ", ".join(f"{name} (deployment {deployment})" for deployment, name in parked) or "none"
    return dg.MaterializeResult(
        metadata=metadata.rows(len(found), parked=len(parked))
        | {"claims_without_ticket": names, "would_say": metadata.listing(would_say)}
    )


@dg.asset(
    deps=[fixes, "interactions", "feedback"],
    partitions_def=DAYS,
    group_name="verify",
    kinds={"postgres", "scipy"},
    code_version=METHOD_VERSION,
    metadata=metadata.about_table(tables.verifications, tables.detections),
    check_specs=[*guard_specs("verifications"), dg.AssetCheckSpec("late_facts", asset="verifications")],
)
def verifications(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam, embedder: EmbedderResource
) -> dg.MaterializeResult:
    """Every look that is due and was not made: all patterns counted with the fix's frozen detector, as of its day."""
    as_of, encoder = context.partition_time_window.end, embedder.create(database, settings.embedding)
    made: list[Verification] = []
    waiting: list[str] = []
    for court in courts(database, encoder, settings, as_of):
        made += court.make_due_looks(as_of)
        waiting += court.waiting
    with database.begin() as conn:
        late = late_facts_check(conn, as_of)
    frame = pd.DataFrame([vars(v) for v in made], columns=list(Verification.__dataclass_fields__))
    counts = {f"verdict_{name}": int(n) for name, n in frame["verdict"].value_counts().items()}
    columns = {name: name for name in _SHOWN}
    return dg.MaterializeResult(
        metadata=metadata.rows(len(made), **counts)
        | {"verdicts": metadata.table(frame, columns, most=50), "waiting": metadata.listing(waiting)}
        | {"scores": metadata.table(scores := scores_of(made), {name: name for name in scores.columns}, most=50)}
        | pictures_of(made),
        check_results=[*guard_results(made), late],
    )


@dg.asset(
    deps=[verifications],
    partitions_def=DAYS,
    group_name="verify",
    kinds={"postgres", "scipy"},
    code_version="regression-watches-1",
    metadata=metadata.about_table(tables.regression_watches),
)
def regression_watches(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam, embedder: EmbedderResource
) -> dg.MaterializeResult:
    """Fixes that were called effective, looked at again every four weeks: is the pattern back?"""
    as_of, encoder = context.partition_time_window.end, embedder.create(database, settings.embedding)
    rows = [r for c in courts(database, encoder, settings, as_of) for r in watch_due(c, as_of, settings.watch)]
    columns = ("fix_id", "look", "state", "reason", "n_observed", "n_expected", "p_value", "threshold")
    frame = pd.DataFrame(rows, columns=list(columns))
    returned = int((frame["state"] == "returned").sum())
    return dg.MaterializeResult(
        metadata=metadata.rows(len(rows), returned=returned, false_reopen=settings.watch.false_reopen)
        | {"watches": metadata.table(frame, {name: name for name in columns}, most=50)}
    )


@dg.asset(
    deps=[verifications],
    partitions_def=DAYS,
    group_name="verify",
    kinds={"postgres"},
    code_version="detector-audits-1",
    metadata=metadata.about_table(tables.detector_audits, tables.llm_calls),
    check_specs=[budget_check("detector_audits")],
)
def detector_audits(
    context: dg.AssetExecutionContext,
    database: Database,
    settings: SettingsParam,
    embedder: EmbedderResource,
    analyst: AnalystResource,
) -> dg.MaterializeResult:
    """A blind sample per look, of events that the frozen detector found and did not, for `feedback-loop audit`."""
    as_of, encoder = context.partition_time_window.end, embedder.create(database, settings.embedding)
    n_new = sum(draw_audits(court, as_of) for court in courts(database, encoder, settings, as_of))
    opener = analyst.opener(database, settings.analyst, monday_of(context.partition_time_window.start.date()))
    spent = label_by_analyst(database, opener, as_of) if settings.guards.audit_by == "analyst" else Spent()
    with database.begin() as conn:
        numbers = auditing.count_labels(conn)
    return dg.MaterializeResult(
        metadata=metadata.rows(n_new, **numbers) | spent.numbers(),
        check_results=[within_budget(spent, "labels", "people")],
    )


@dg.asset(
    deps=["pattern_weeks"],
    partitions_def=MONTHS,
    group_name="verify",
    kinds={"postgres", "scipy"},
    code_version=f"placebo-{METHOD_VERSION}",
    metadata=metadata.about_table(tables.placebo_rates),
    check_specs=[dg.AssetCheckSpec("placebo_error_rate", asset="placebo_rates")],
)
def placebo_rates(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam, embedder: EmbedderResource
) -> dg.MaterializeResult:
    """How often fixes that never were would be called effective, or reopen a ticket, on each application's own data."""
    window, encoder = context.partition_time_window, embedder.create(database, settings.embedding)
    with database.begin() as conn:
        rows, failed = placebos_of(conn, encoder, settings, window.end)
        aftermath.save_placebo_rates(conn, window.start.date(), METHOD_VERSION, rows)
    frame = pd.DataFrame(rows, columns=["application", *PlaceboRates.__dataclass_fields__])
    columns = {name: name for name in frame.columns}
    return dg.MaterializeResult(
        metadata=metadata.rows(len(rows), not_counted=len(failed))
        | {"rates": metadata.table(frame, columns, most=50), "why_not": metadata.listing(failed)},
        check_results=[placebo_check(rows, settings.guards)],
    )


@dg.asset(
    deps=[verifications, regression_watches, detector_audits],
    partitions_def=DAYS,
    group_name="verify",
    kinds={"postgres"},
    code_version="ticket-updates-4",
    metadata=metadata.about_table(tables.ticket_events),
    check_specs=[filed_check("ticket_updates")],
)
def ticket_updates(
    context: dg.AssetExecutionContext,
    database: Database,
    settings: SettingsParam,
    tracker: TrackerResource,
    alerts: Alerts,
) -> dg.MaterializeResult:
    """Verdicts and regressions on their tickets: a comment each; closed where effective, reopened where not reduced."""
    as_of = context.partition_time_window.end
    with planning(database, settings) as conn:
        plan_merges(conn, may_close=settings.updates.may_close)
        plan_verdicts(conn, as_of, settings.updates)
        plan_closings(conn, as_of, settings)
        found = regressions_found(aftermath.load_watches(conn, as_of))
        plan_regressions(conn, found, as_of, settings.updates)
        would_say = planned_words(conn, settings)
        elsewhere = switching.left_behind(conn, settings.tracker.tracker)
    filed = file_plan(database, tracker, settings)
    left = metadata.listing([f"{key} ({name}): {n} not said there" for key, name, n in elsewhere])
    return dg.MaterializeResult(
        metadata=about_filing(filed) | {"would_say": metadata.listing(would_say), "left_in_other_tracker": left},
        check_results=[everything_filed(filed, alerts)],
    )


DAILY_ASSETS = [ticket_states, fixes, verifications, regression_watches, detector_audits, ticket_updates]
MONTHLY_ASSETS = [placebo_rates]
