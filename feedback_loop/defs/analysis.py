"""The analyst inside the weekly assets: what it is shown of a week, what that cost, and what is checked of it.

Belongs here: the order of reading, asking and storing, one application after the other. No transaction is open while
anything is asked or computed; what is stored of an application's week is one. Does not belong here: what is shown and
what becomes of an answer (`describe/sentences.py`, `cluster/`, `naming.py`), money and cache (`asking.py`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import dagster as dg
import pandas as pd

from feedback_loop.cluster import ClusterPolicy, Judge, WeekPatterns, cluster_week, freeze_detector
from feedback_loop.config import Settings, policy_version
from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.defs.asking_ledger import Asked
from feedback_loop.defs.resources import Database, OpenAnalyst
from feedback_loop.describe import DESCRIBER_VERSION
from feedback_loop.describe.sentences import reports_of, with_sentences
from feedback_loop.llm import Candidate, Embedder, Findings, Judgement
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.llm.prompts import PROMPT_VERSIONS
from feedback_loop.naming import PatternCard, carry_card, due_for_card, quoted_pattern, same_memory, write_cards
from feedback_loop.records import PatternState, Window
from feedback_loop.store import cards as card_store
from feedback_loop.store import decisions, lineage, negatives, patterns, weeks

_SHORT = ("budget", "stopped", "failed", "lost", "pending", "limit")  # reasons that money or the API had, not the model


@dataclass
class Spent:
    """What asking took in a step, over all applications."""

    usd: float = 0.0
    n_calls: int = 0
    n_remembered: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    def add(self, asked: Asked, problems: Counter[str]) -> None:
        """One application more."""
        self.usd += asked.spent_usd
        self.n_calls += asked.n_calls
        self.n_remembered += asked.n_remembered
        self.problems += problems

    def numbers(self) -> dict[str, float]:
        """For the metadata of an asset."""
        return {"llm_cost_usd": self.usd, "llm_calls": self.n_calls, "llm_cache_hits": self.n_remembered}


def describer_version(policy: AnalystPolicy) -> str:
    """Who wrote what is compared: rows of two describers are never counted together."""
    if not policy.is_pinned:
        return DESCRIBER_VERSION
    return f"{DESCRIBER_VERSION}+{policy.describe_model}-{PROMPT_VERSIONS['describe']}"


def describe_week(
    frame: pd.DataFrame, texts: pd.DataFrame, analyst: OpenAnalyst, policy: AnalystPolicy
) -> tuple[pd.DataFrame, Spent]:
    """The week's descriptions with the analyst's sentences.

    Raises:
        BudgetExceeded: the describer is pinned, and the money did not reach for every event.
        ModelUnavailable: it is pinned, and the model could not be asked.
    """
    spent, parts = Spent(), []
    for application, own in frame.groupby("application", sort=True):
        reports = reports_of(own, texts[texts["application"] == application], is_pinned=policy.is_pinned)
        with analyst(str(application)) as (reader, asked):
            found = reader.describe(reports)
        if policy.is_pinned:
            found.require_all(f"events of application {application!r}")
        parts.append(with_sentences(own, found, is_pinned=policy.is_pinned))
        spent.add(asked, Counter(problem.reason for problem in found.problems.values()))
    return (pd.concat(parts).sort_index() if parts else frame), spent


class WeekJudge:
    """Judges new groups of one application's week, and remembers what it said: a `cluster.Judge`.

    Args:
        analyst: who is asked.
        application: whose groups.
        spent: what asking took is added to it.
    """

    def __init__(self, analyst: OpenAnalyst, application: str, spent: Spent) -> None:
        self._analyst, self._application, self._spent = analyst, application, spent
        self._said: dict[str, Judgement] = {}  # by interaction that the analyst was shown

    def __call__(self, candidates: Sequence[Candidate]) -> Findings[Judgement]:
        """One answer, or one reason why there is none, per group."""
        with self._analyst(self._application) as (reader, asked):
            found = reader.judge(candidates)
        self._spent.add(asked, Counter(problem.reason for problem in found.problems.values()))
        for one in candidates:
            if one.pattern.pattern_id in found.found:
                self._said |= {
                    quote.interaction_id: found.found[one.pattern.pattern_id] for quote in one.pattern.quotes
                }
        return found

    def again(self, candidates: Sequence[Candidate]) -> Findings[Judgement]:
        """What was said of groups with the same quotes; asks nobody, and leaves to the gate what was never asked."""
        found = {}
        for one in candidates:
            said = [self._said[q.interaction_id] for q in one.pattern.quotes if q.interaction_id in self._said]
            if said:
                found[one.pattern.pattern_id] = said[0]
        return Findings(found)


@dataclass(frozen=True)
class KnownWeek:
    """What is known of an application when a week's patterns are looked for.

    Attributes:
        application: whose.
        week: Monday.
        events: what `cluster_week` reads.
        memory: the newest states before the week.
        past: what people said in which of the weeks before.
        founded: interaction_id -> pattern_id of the patterns that the week founded when it last ran.
        decided: what people said of its patterns.
    """

    application: str
    week: date
    events: pd.DataFrame
    memory: list[PatternState]
    past: pd.DataFrame
    founded: dict[str, str]
    decided: EffectiveDecisions

    @classmethod
    def read(cls, database: Database, application: str, week: date, settings: Settings) -> "KnownWeek":
        """In one transaction."""
        n_weeks, size, version = (
            settings.cluster.past_weeks,
            settings.cluster.max_sample,
            describer_version(settings.analyst),
        )
        with database.begin() as conn:
            return cls(
                application=application,
                week=week,
                events=negatives.read_events(conn, application, week, Window.of_week(week).end),
                memory=patterns.load_memory(conn, application, before=week),
                past=negatives.read_past_texts(conn, application, week, n_weeks, version, size),
                founded=patterns.founded_in(conn, application, week),
                decided=decisions.load_effective(conn, application).get(application, UNDECIDED),
            )

    def find(self, encoder: Embedder, policy: ClusterPolicy, judge: WeekJudge) -> WeekPatterns:
        """The week's patterns."""
        return self._cluster(encoder, policy, self.founded, judge)

    def find_again(
        self, first: WeekPatterns, encoder: Embedder, policy: ClusterPolicy, judge: WeekJudge
    ) -> WeekPatterns:
        """The patterns that another seed finds, under the ids of `first` where they are the same; costs no money."""
        other = replace(policy, seed=policy.seed + 1)
        known = {state.pattern_id for state in self.memory}
        members = first.memberships[~first.memberships["pattern_id"].isin(known)]
        founded = dict(zip(members["interaction_id"], members["pattern_id"], strict=True))
        return self._cluster(encoder, other, founded, judge.again)

    def _cluster(self, encoder: Embedder, policy: ClusterPolicy, founded: dict[str, str], judge: Judge) -> WeekPatterns:
        return cluster_week(
            self.application,
            self.week,
            self.events,
            self.memory,
            encoder,
            policy,
            previous=founded,
            merges=self.decided.merges,
            judge=judge,
            past=self.past,
        )

    def save(self, database: Database, found: WeekPatterns, encoder: Embedder, settings: Settings) -> None:
        """Store what was found, in one transaction."""
        detector = freeze_detector(found.states, encoder, describer_version(settings.analyst))
        states = [self.decided.correct(state) for state in found.states]
        version = policy_version(settings.cluster)
        with database.begin() as conn:
            if not same_memory(patterns.load_states(conn, self.application, self.week), found.states):
                weeks.mark_later_stale(conn, self.application, self.week)
            patterns.save_week(conn, self.application, self.week, states, found.memberships, detector, version)
            lineage.save_lineage(conn, self.application, self.week, found.lineage)
            lineage.save_judgements(conn, self.application, self.week, found.judgements)


def name_week(
    database: Database, application: str, week: date, analyst: OpenAnalyst, spent: Spent
) -> list[PatternCard]:
    """Cards for the patterns of an application's week that are due for one; the states carry what they say.

    What asking took is added to `spent`.
    """
    with database.begin() as conn:
        states = patterns.load_states(conn, application, week)
        due = due_for_card(states, week, card_store.load_model_cards(conn, application, before=week))
        ids = [exemplar.interaction_id for state in due for exemplar in state.exemplars]
        said = card_store.descriptions_of(conn, application, week, ids)
        decided = decisions.load_effective(conn, application).get(application, UNDECIDED)
    shown = [quoted_pattern(state, said) for state in due]
    with analyst(application) as (reader, asked):
        found = reader.card(shown)
    spent.add(asked, Counter(problem.reason for problem in found.problems.values()))
    cards = write_cards(due, shown, found)
    named = [decided.correct(carry_card(state, card)) for state, card in zip(due, cards, strict=True)]
    with database.begin() as conn:
        card_store.save_cards(conn, application, week, cards, named)
    return cards


def budget_check(asset: str) -> dg.AssetCheckSpec:
    """The check that `within_budget` answers."""
    return dg.AssetCheckSpec("within_budget", asset=asset)


def within_budget(spent: Spent, what: str, to: str = "the offline rules") -> dg.AssetCheckResult:
    """Whether everything that was to be asked was asked; what was not is counted and named."""
    short = {reason: n for reason, n in sorted(spent.problems.items()) if reason in _SHORT}
    parts = ", ".join(f"{n} for the reason {reason}" for reason, n in short.items())
    return dg.AssetCheckResult(
        check_name="within_budget",
        passed=not short,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{what} left to {to}: {parts}" if short else f"${spent.usd:.4f} spent",
        metadata={"cost_usd": spent.usd, "left": sum(short.values())},
    )
