"""The daily half of the loop: fixes that were deployed, the looks at them that are due, and what becomes of tickets.

Belongs here: what each daily asset reads, calls, stores and reports. Does not belong here: the verdict (`verify.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import dagster as dg
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.cluster import place_events
from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.defs import metadata
from feedback_loop.defs.analysis import describer_version
from feedback_loop.defs.partitions import DAYS
from feedback_loop.defs.resources import Alerts, Database, EmbedderResource, TrackerResource
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
from feedback_loop.defs.tracking import judged_fixes, plan_deployed, plan_merges, plan_verdicts
from feedback_loop.describe import describe_failures
from feedback_loop.errors import PermanentError
from feedback_loop.extract import extract_negatives
from feedback_loop.llm import Embedder
from feedback_loop.records import Fix, Verdict, Verification, Window
from feedback_loop.store import decisions, negatives, patterns, switching, tables
from feedback_loop.store import fixes as fix_store
from feedback_loop.store import tickets as ledger
from feedback_loop.verify import METHOD_VERSION, Look, VerifyPolicy, due_looks, look_of, pending_look, verify_look

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
        first = {(f.application, f.fix_id): look_of(f, settings.verify.looks[0]).after.end.date() for f in found}
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
)
def verifications(
    context: dg.AssetExecutionContext, database: Database, settings: SettingsParam, embedder: EmbedderResource
) -> dg.MaterializeResult:
    """Every look that is due and was not made: both windows counted with the detector frozen in the ticket."""
    as_of, encoder = context.partition_time_window.end, embedder.create(database, settings.embedding)
    with database.begin() as conn:
        decided = decisions.load_effective(conn)
        found = judged_fixes(conn, as_of, decided)
        made: list[Verification] = []
        # A look may close its fix, or leave the next one due: ask again after each round.
        while due := _due(found, fix_store.looks_done(conn, METHOD_VERSION), as_of, settings.verify):
            made += _verify(conn, due, encoder, settings, decided)
    frame = pd.DataFrame([vars(v) for v in made], columns=list(Verification.__dataclass_fields__))
    counts = {f"verdict_{name}": int(n) for name, n in frame["verdict"].value_counts().items()}
    columns = {name: name for name in ("fix_id", "look_day", "verdict", "reduction", "ci_low", "ci_high", "reason")}
    return dg.MaterializeResult(
        metadata=metadata.rows(len(made), **counts) | {"verdicts": metadata.table(frame, columns, most=50)}
    )


def _due(
    found: Sequence[Fix],
    done: Mapping[str, Mapping[str, Mapping[int, Verdict]]],
    as_of: datetime,
    policy: VerifyPolicy,
) -> list[Look]:
    """Due looks of every application; two of them may have fixes of one name."""
    due = []
    for application in sorted({fix.application for fix in found}):
        own = [fix for fix in found if fix.application == application]
        due += due_looks(own, done.get(application, {}), as_of, policy)
    return due


def _verify(
    conn: Connection,
    due: Sequence[Look],
    encoder: Embedder,
    settings: Settings,
    decided: Mapping[str, EffectiveDecisions],
) -> list[Verification]:
    """The earliest due look of each fix, made and saved."""
    first: dict[tuple[str, str], Look] = {}
    for look in sorted(due, key=lambda look: look.day):
        first.setdefault((look.fix.application, look.fix.fix_id), look)
    counter = _Counter(conn, encoder, settings, decided)
    made = []
    for look in first.values():
        try:
            made.append(counter.verify(look))
        except PermanentError as error:  # of this fix alone: the other looks go on
            made.append(pending_look(look, str(error), settings.verify))
    fix_store.save_verifications(conn, made, METHOD_VERSION)
    return made


class _Counter:
    """Counts windows for looks; many looks share a window, and many fixes a detector."""

    def __init__(
        self, conn: Connection, encoder: Embedder, settings: Settings, decided: Mapping[str, EffectiveDecisions]
    ) -> None:
        self._conn, self._encoder, self._settings, self._decided = conn, encoder, settings, decided
        self._events: dict[tuple[str, Window], tuple[pd.DataFrame, pd.DataFrame]] = {}
        self._exposures: dict[tuple[str, Window], pd.DataFrame] = {}
        self._detected: dict[tuple[str, str, Window], pd.DataFrame] = {}

    def verify(self, look: Look) -> Verification:
        """The verdict of a look.

        Raises:
            PermanentError: its windows cannot be counted with its detector.
        """
        application, sides = look.fix.application, (look.before, look.after)
        affected = pd.concat([self.affected(look.fix, window) for window in sides], ignore_index=True)
        exposed = pd.concat([self.exposures(application, window) for window in sides], ignore_index=True)
        heard = {day for window in sides for day in negatives.feedback_days(self._conn, window, application)}
        verdict = verify_look(look, affected, exposed, self._settings.verify, heard)
        return replace(verdict, reason=verdict.reason + self._joint(look.fix))

    def affected(self, fix: Fix, window: Window) -> pd.DataFrame:
        """The window's events that the fix's frozen detector gives to its pattern, or to one merged with it.

        Raises:
            PermanentError: there is no detector, or it was frozen for another embedder or describer; two rates are
                compared only between equal versions.
        """
        if fix.detector_version is None:
            raise PermanentError(f"fix {fix.fix_id} of application {fix.application!r} has no frozen detector")
        key = (fix.application, fix.detector_version, window)
        if key not in self._detected:
            self._detected[key] = self._detect(*key)
        counted_as = self._detected[key]["pattern_id"].map(self._said_of(fix).stays)
        return self._detected[key][counted_as == fix.pattern_id]

    def _said_of(self, fix: Fix) -> EffectiveDecisions:
        return self._decided.get(fix.application, UNDECIDED)

    def _joint(self, fix: Fix) -> str:
        """Who is judged together, for the reason of a verdict; empty where the pattern stands alone."""
        together = self._said_of(fix).together(fix.pattern_id)
        if len(together) == 1:
            return ""
        detector = patterns.load_detector(self._conn, fix.application, fix.detector_version or "")
        tickets = ledger.load_tickets(self._conn, fix.application, together)
        names = dict.fromkeys(together) | {t.pattern_id: t.ticket_key for t in tickets}
        unknown = [names[p] or p for p in together if p not in {known.pattern_id for known in detector.patterns}]
        note = f"; {' and '.join(names[p] or p for p in together)} were merged and are judged together"
        return note + (f", but the detector frozen for this fix knows no {' or '.join(unknown)}" if unknown else "")

    def _detect(self, application: str, version: str, window: Window) -> pd.DataFrame:
        detector = patterns.load_detector(self._conn, application, version)
        frozen = (detector.embedding_version, detector.describer_version)
        now = (self._encoder.version, describer_version(self._settings.analyst))
        if frozen != now:
            raise PermanentError(f"detector {version} was frozen for {' + '.join(frozen)}; this is {' + '.join(now)}")
        events, described = self._see(application, window)
        placements = place_events(described, detector.patterns, self._encoder)
        patterns.save_detections(self._conn, application, version, placements)
        return events.merge(placements, on="interaction_id")

    def _see(self, application: str, window: Window) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The negative events of a window and their descriptions, as they were known at its end."""
        key = (application, window)
        if key not in self._events:
            extract, known_before = self._settings.extract, window.end
            signals = negatives.read_signals_of(
                self._conn, application, window, known_before, extract.candidate_signals
            )
            events = extract_negatives(signals, extract)
            texts = negatives.read_texts(self._conn, events["interaction_id"].tolist(), known_before)
            self._events[key] = events, self._describe(application, texts)
        return self._events[key]

    def _describe(self, application: str, texts: pd.DataFrame) -> pd.DataFrame:
        """Offline as in the weekly run; where the describer is pinned, what it wrote then.

        Raises:
            PermanentError: the pinned describer has not described all of these events.
        """
        policy = self._settings.analyst
        if not policy.is_pinned:
            return describe_failures(texts, self._settings.describe)
        ids, version = texts["interaction_id"].tolist(), describer_version(policy)
        described = negatives.read_descriptions(self._conn, application, ids, version)
        if len(described) < len(ids):
            n = len(ids) - len(described)
            raise PermanentError(f"{n} of {len(ids)} events of {application!r} are not described by {version}")
        return described

    def exposures(self, application: str, window: Window) -> pd.DataFrame:
        """The window's sessions per day and version."""
        key = (application, window)
        if key not in self._exposures:
            frame = negatives.count_exposures(self._conn, window, application)
            self._exposures[key] = frame.assign(date=pd.to_datetime(frame["date"], utc=True))
        return self._exposures[key]


@dg.asset(
    deps=[verifications],
    partitions_def=DAYS,
    group_name="verify",
    kinds={"postgres"},
    code_version="ticket-updates-2",
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
    """The verdicts on their tickets: a comment each; closed where effective, reopened where not reduced."""
    as_of = context.partition_time_window.end
    with planning(database, settings) as conn:
        plan_merges(conn, may_close=settings.updates.may_close)
        plan_verdicts(conn, as_of, settings.updates)
        would_say = planned_words(conn, settings)
        elsewhere = switching.left_behind(conn, settings.tracker.tracker)
    filed = file_plan(database, tracker, settings)
    left = metadata.listing([f"{key} ({name}): {n} not said there" for key, name, n in elsewhere])
    return dg.MaterializeResult(
        metadata=about_filing(filed) | {"would_say": metadata.listing(would_say), "left_in_other_tracker": left},
        check_results=[everything_filed(filed, alerts)],
    )


DAILY_ASSETS = [ticket_states, fixes, verifications, ticket_updates]
