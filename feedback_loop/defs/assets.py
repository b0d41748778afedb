"""The weekly loop as Dagster assets, in loop order: this file is the map.

Belongs here: what each asset reads, which stage it calls, what it stores and reports. Does not belong here: any
decision (the stages), any SQL (`store/`), the daily half of the loop (`verification.py`).
"""

import time

import dagster as dg
import pandas as pd

from feedback_loop.config import Settings, policy_version
from feedback_loop.defs import metadata
from feedback_loop.defs.analysis import (
    KnownWeek,
    Spent,
    WeekJudge,
    budget_check,
    describe_week,
    describer_version,
    name_week,
    within_budget,
)
from feedback_loop.defs.cleaning import feedback_exclusions, new_limit
from feedback_loop.defs.partitions import WEEK_BEFORE, WEEKS, week_of, window_of
from feedback_loop.defs.prospects import pattern_prospects
from feedback_loop.defs.resources import Alerts, AnalystResource, Database, EmbedderResource, TrackerResource
from feedback_loop.defs.ticketing import (
    about_filing,
    drafts_table,
    everything_filed,
    file_plan,
    filed_check,
    held_table,
    planned_words,
    planning,
)
from feedback_loop.defs.tracking import plan_week_comments, plan_week_tickets
from feedback_loop.defs.week_map import SHOWN, WeekView, ids_are_stable, stability_check, week_metadata
from feedback_loop.describe import DESCRIBER_VERSION, describe_failures
from feedback_loop.extract import extract_negatives
from feedback_loop.metrics import week_summary, with_rate
from feedback_loop.naming import PatternCard
from feedback_loop.prioritise import prioritise_patterns
from feedback_loop.segments import find_contradictions, find_segments
from feedback_loop.store import metrics, negatives, patterns, segments, tables, weeks

SettingsParam = dg.ResourceParam[Settings]

FACTS = [
    dg.AssetSpec(
        table.name, group_name="capture", kinds={"postgres"}, description=text, metadata=metadata.about_table(table)
    )
    for table, text in (
        (tables.interactions, "Requests and responses of the applications, imported."),
        (tables.feedback, "What people said and did about them, imported."),
        (tables.deployments, "What was deployed when, and which tickets it claims to fix."),
    )
]


@dg.asset(
    deps=["interactions"],
    partitions_def=WEEKS,
    group_name="extract",
    kinds={"postgres", "sql"},
    code_version="exposures-1",
    metadata=metadata.about_table(tables.exposures),
)
def exposures(context: dg.AssetExecutionContext, database: Database) -> dg.MaterializeResult:
    """Sessions per day and prompt version, weighted by 1 / sample_rate: what every rate is measured against."""
    week = week_of(context)
    with database.begin() as conn:
        weeks.check_facts(conn, window_of(week))
        frame = negatives.count_exposures(conn, window_of(week))
        negatives.save_exposures(conn, week, frame)
    numbers = {"exposures": float(frame["n_exposures"].sum()), "interactions": int(frame["n_interactions"].sum())}
    return dg.MaterializeResult(metadata=metadata.rows(len(frame), **numbers))


@dg.asset(
    deps=["interactions", "feedback", feedback_exclusions],
    partitions_def=WEEKS,
    group_name="extract",
    kinds={"postgres", "pandas"},
    code_version="extract-2",
    metadata=metadata.about_table(tables.negative_feedback),
)
def negative_feedback(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam
) -> dg.MaterializeResult:
    """Interactions whose first negative signal came in the week, one row each with all their signals."""
    week, window, policy = week_of(context), window_of(week_of(context)), settings.extract
    with database.begin() as conn:
        weeks.check_facts(conn, window)
        signals = negatives.read_signals(conn, window, policy.candidate_signals)
        frame = extract_negatives(signals, policy, known=window)
        negatives.save_negatives(conn, week, frame, policy_version(policy))
        n_negative = {str(a): int(n) for a, n in frame["application"].value_counts().items()}
        facts = weeks.count_facts(conn, window)
        recorded = [facts.get((a, week), weeks.WeekFacts(a, 0, 0)) for a in weeks.list_applications(conn, window)]
        weeks.begin_run(conn, week, recorded, n_negative, policy_version(policy))
    signals_seen = frame["signals"].explode().value_counts().rename_axis("signal").reset_index(name="n")
    return dg.MaterializeResult(
        metadata=metadata.rows(len(frame), mean_severity=float(frame["severity"].mean()) if len(frame) else 0)
        | {"signals": metadata.table(signals_seen, {"signal": "signal", "n": "interactions"}, most=20)}
    )


@dg.asset(
    deps=[negative_feedback],
    partitions_def=WEEKS,
    group_name="describe",
    kinds={"postgres", "pandas"},
    code_version=DESCRIBER_VERSION,
    metadata=metadata.about_table(tables.failure_descriptions),
    check_specs=[budget_check("failure_descriptions")],
)
def failure_descriptions(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam, analyst: AnalystResource
) -> dg.MaterializeResult:
    """What went wrong in each negative interaction, and apart from it what it was about; a sentence for people."""
    week, policy = week_of(context), settings.analyst
    with database.begin() as conn:
        texts = negatives.read_texts(conn, negatives.negative_ids(conn, week), window_of(week).end)
    frame = describe_failures(texts, settings.describe)
    frame, spent = describe_week(frame, texts, analyst.opener(database, policy, week), policy)
    with database.begin() as conn:
        negatives.save_descriptions(conn, week, frame, describer_version(policy))
    by_evidence = {f"from_{k}": int(n) for k, n in frame["evidence"].value_counts().items()}
    return dg.MaterializeResult(
        metadata=metadata.rows(len(frame), **by_evidence, **spent.numbers())
        | {"examples": metadata.table(frame, {"evidence": "evidence", "description": "description"})},
        check_results=[within_budget(spent, "descriptions")],
    )


@dg.asset(
    deps=[failure_descriptions],
    partitions_def=WEEKS,
    group_name="describe",
    kinds={"postgres", "numpy"},
    code_version="vectors-1",
    metadata=metadata.about_table(tables.text_vectors),
)
def failure_vectors(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam, embedder: EmbedderResource
) -> dg.MaterializeResult:
    """Vectors of the week's texts. The shipped model is faster than a table, so only those of other models are kept."""
    encoder, started = embedder.create(database, settings.embedding), time.perf_counter()
    with database.begin() as conn:
        texts = negatives.distinct_texts(conn, week_of(context))
    vectors = encoder.encode(texts)
    silent = int((~vectors.any(axis=1)).sum())  # texts in letters that the model does not know
    rate = len(texts) / max(1e-9, time.perf_counter() - started)
    return dg.MaterializeResult(
        metadata=metadata.rows(len(texts), without_direction=silent, texts_per_second=rate)
        | {"embedding": encoder.version, "dimensions": vectors.shape[1]}
    )


@dg.asset(
    deps=[failure_vectors, dg.AssetDep("failure_patterns", partition_mapping=WEEK_BEFORE)],
    partitions_def=WEEKS,
    group_name="cluster",
    kinds={"postgres", "scikitlearn"},
    code_version="cluster-2",
    metadata=metadata.about_table(
        tables.pattern_states, tables.pattern_memberships, tables.pattern_lineage, tables.pattern_judgements
    ),
    check_specs=[budget_check("failure_patterns"), stability_check("failure_patterns")],
)
def failure_patterns(
    context: dg.AssetExecutionContext,
    database: Database,
    settings: SettingsParam,
    embedder: EmbedderResource,
    analyst: AnalystResource,
) -> dg.MaterializeResult:
    """Known failure patterns and new ones, found together; the memory is that of the week before."""
    week, policy, spent, views = week_of(context), settings.cluster, Spent(), []
    encoder, opener = embedder.create(database, settings.embedding), analyst.opener(database, settings.analyst, week)
    with database.begin() as conn:
        applications = weeks.list_applications(conn, window_of(week))
    for application in applications:
        known = KnownWeek.read(database, application, week, settings)
        judge = WeekJudge(opener, application, spent)
        found = known.find(encoder, policy, judge)
        known.save(database, found, encoder, settings)
        again = known.find_again(found, encoder, policy, judge)
        views.append(WeekView(application, known.events[SHOWN], found, again.memberships))
    return dg.MaterializeResult(
        metadata=week_metadata(views, encoder) | spent.numbers(),
        check_results=[within_budget(spent, "judgements"), ids_are_stable(views)],
    )


@dg.asset(
    deps=[failure_patterns],
    partitions_def=WEEKS,
    group_name="cluster",
    kinds={"postgres"},
    code_version="cards-1",
    metadata=metadata.about_table(tables.pattern_cards),
    check_specs=[budget_check("pattern_cards")],
)
def pattern_cards(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam, analyst: AnalystResource
) -> dg.MaterializeResult:
    """Name, likely cause, severity and suggested fix of patterns that are new or have changed."""
    week, spent, written = week_of(context), Spent(), []
    with database.begin() as conn:
        applications = weeks.list_applications(conn, window_of(week))
    for application in applications:
        cards = name_week(database, application, week, analyst.opener(database, settings.analyst, week), spent)
        written += [vars(card) for card in cards]
    frame = pd.DataFrame(written, columns=list(PatternCard.__dataclass_fields__))
    columns = {"source": "by", "name": "pattern", "likely_cause": "cause", "severity": "severity", "problem": "problem"}
    by_model = int((frame["source"] == "claude").sum())
    return dg.MaterializeResult(
        metadata=metadata.rows(len(frame), by_model=by_model, **spent.numbers())
        | {"cards": metadata.table(frame, columns, most=50)},
        check_results=[within_budget(spent, "cards")],
    )


@dg.asset(
    deps=[failure_patterns, "interactions", "feedback"],
    partitions_def=WEEKS,
    group_name="cluster",
    kinds={"postgres", "scipy"},
    code_version="segments-1",
    metadata=metadata.about_table(tables.pattern_segments, tables.pattern_contradictions),
)
def pattern_segments(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam
) -> dg.MaterializeResult:
    """Versions, cohorts, models and documents that a pattern prefers, and cohorts that disagree about its answers."""
    week, policy, found, split = week_of(context), settings.segments, [], []
    with database.begin() as conn:
        for application in weeks.list_applications(conn, window_of(week)):
            hits = segments.count_hits(conn, application, week)
            found.append(find_segments(hits, segments.count_exposed(conn, application, week), policy))
            split.append(find_contradictions(segments.count_liking(conn, application, week), policy))
            segments.save_segments(conn, application, week, found[-1])
            segments.save_contradictions(conn, application, week, split[-1])
    columns = {"pattern_id": "pattern", "dimension": "dimension", "value": "value", "ratio": "times as often"}
    sides = {"pattern_id": "pattern", "disliked_by": "disliked by", "liked_by": "liked by"}
    return dg.MaterializeResult(
        metadata=metadata.rows(sum(map(len, found)), contradictions=sum(map(len, split)))
        | {"segments": metadata.tables(found, columns), "contradictions": metadata.tables(split, sides)}
    )


@dg.asset(
    deps=[pattern_cards, exposures],
    partitions_def=WEEKS,
    group_name="prioritise",
    kinds={"postgres", "pandas"},
    code_version="prioritise-3",
    metadata=metadata.about_table(tables.pattern_weeks),
)
def pattern_weeks(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam
) -> dg.MaterializeResult:
    """How often each pattern hit this week, how badly, and which comes first."""
    week = week_of(context)
    with database.begin() as conn:
        exposed = negatives.exposures_of_week(conn, week)
        for application in weeks.list_applications(conn, window_of(week)):
            members = patterns.read_members(conn, application, week)
            limit = new_limit(conn, application, week, settings.clean)
            frame = prioritise_patterns(members, exposed.get(application, 0.0), settings.clean.max_per_pattern, limit)
            patterns.save_pattern_weeks(conn, application, week, frame)
        top = patterns.read_pattern_weeks(conn, week)
    columns = {
        "rank": "rank",
        "name": "pattern",
        "n_occurrences": "occurrences",
        "n_users": "users",
        "n_inferred": "inferred",
        "rate": "rate",
        "likely_cause": "cause",
    }
    return dg.MaterializeResult(metadata=metadata.rows(len(top)) | {"top_patterns": metadata.table(top, columns)})


@dg.asset(
    deps=[pattern_weeks],
    partitions_def=WEEKS,
    group_name="route",
    kinds={"postgres", "jira"},
    code_version="route-2",
    metadata=metadata.about_table(tables.tickets, tables.ticket_events),
    check_specs=[filed_check("tickets")],
)
def tickets(
    context: dg.AssetExecutionContext,
    database: Database,
    settings: SettingsParam,
    tracker: TrackerResource,
    alerts: Alerts,
) -> dg.MaterializeResult:
    """Each pattern that earns it gets its ticket, once, ever. Older weeks only plan: the newest week acts."""
    week = week_of(context)
    with planning(database, settings) as conn:
        plan = plan_week_tickets(conn, week, settings)
        plan_week_comments(conn, week, settings)
        would_say = planned_words(conn, settings)
    filed = file_plan(database, tracker, settings)
    numbers = {"new_tickets": len(plan.drafts), "held_back_older_week": plan.n_older_week, "over_limit": len(plan.held)}
    return dg.MaterializeResult(
        metadata=about_filing(filed)
        | metadata.rows(len(plan.drafts), is_dry_run=settings.tracker.is_dry_run, **numbers)
        | {"tickets": drafts_table(plan.drafts), "waiting_for_next_week": held_table(plan.held)}
        | {"would_say": metadata.listing(would_say)},
        check_results=[everything_filed(filed, alerts)],
    )


@dg.asset(
    deps=[tickets, exposures],
    partitions_def=WEEKS,
    group_name="metrics",
    kinds={"postgres", "sql"},
    code_version="metrics-1",
    metadata=metadata.about_table(tables.loop_weeks, tables.prompt_version_weeks, tables.cohort_weeks),
)
def loop_metrics(context: dg.AssetExecutionContext, database: Database) -> dg.MaterializeResult:
    """The week in numbers, per application, prompt version and cohort, and in a few sentences."""
    week = week_of(context)
    with database.begin() as conn:
        versions = with_rate(metrics.count_versions(conn, week), "negative_rate", "negative", "exposures")
        cohorts = with_rate(metrics.count_cohorts(conn, week), "response_rate", "responses", "shown")
        loop = metrics.count_loop(conn, week)
        metrics.save_metrics(conn, tables.prompt_version_weeks, week, versions)
        metrics.save_metrics(conn, tables.cohort_weeks, week, cohorts)
        metrics.save_metrics(conn, tables.loop_weeks, week, loop)
        top = patterns.read_pattern_weeks(conn, week).query("n_occurrences > 0").head(10)
        weeks.complete_run(conn, week)
    named = [
        (str(r["name"]), int(r["n_occurrences"]), None if pd.isna(r["rate"]) else float(r["rate"]))
        for r in top.to_dict("records")
    ]
    return dg.MaterializeResult(
        metadata=metadata.rows(
            len(loop), negative=int(loop["n_negative"].sum()), open_tickets=int(loop["n_open_tickets"].sum())
        )
        | {"summary": dg.MetadataValue.md(week_summary(week, loop, named))}
    )


WEEKLY_ASSETS = [
    exposures,
    feedback_exclusions,
    negative_feedback,
    failure_descriptions,
    failure_vectors,
    failure_patterns,
    pattern_cards,
    pattern_segments,
    pattern_weeks,
    pattern_prospects,
    tickets,
    loop_metrics,
]
