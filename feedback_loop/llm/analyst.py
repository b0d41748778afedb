"""The analyst: failures described, patterns judged and named, with exactly one answer or one reason for each.

Belongs here: the protocol, the analyst who asks models (through a function, see `defs/asking.py`) and the one who asks
nobody. Does not belong here: HTTP, money, the cache. A model names and explains; it never counts, and no count depends
on what it says: whatever has no answer keeps what the offline stages made of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from feedback_loop.errors import BudgetExceeded, ModelUnavailable
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.llm.prompts import (
    AuditCase,
    Candidate,
    FailureReport,
    QuotedPattern,
    audit_item,
    card_item,
    judge_item,
    render,
    report_item,
    shown_quotes,
    split,
)
from feedback_loop.llm.requests import FINAL_REASONS, Answer, Entry, Item, Problem, Purpose, Request
from feedback_loop.llm.texts import speaks_to_model
from feedback_loop.records import Cause

T = TypeVar("T")
Judged = Literal["new", "same", "sub", "noise"]
Label = Literal["yes", "no", "unsure"]

Ask = Callable[[Sequence[Request]], Sequence[Answer]]
"""Requests in, one answer for each in order. Never raises for what happened to a request: that is its answer."""
Recall = Callable[[Purpose, Sequence[Item]], Answer]
"""What is known already of these items, or already under way; what is in neither part has to be asked for."""

_PER_REQUEST: Mapping[Purpose, int] = {"card": 6, "judge": 12}
_WHOLE = frozenset({"refused", "cut", "unreadable"})  # of a whole reply: one half of its items may be innocent


@dataclass(frozen=True)
class Description:
    """One sentence on what went wrong; empty where the report does not say.

    `injection_suspected`: the model or our own rule sees a text of the report speak to the model.
    """

    failure: str
    injection_suspected: bool


@dataclass(frozen=True)
class Card:
    """What a pattern is called and what is said of it; `evidence_ids` are interactions whose quotes show it."""

    name: str
    description: str
    likely_cause: Cause
    severity: int  # 1 minor .. 4 critical
    severity_reason: str
    suggested_fix: str
    evidence_ids: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """Whether a new pattern is one; `other_pattern_id` is set for same and sub only."""

    judgement: Judged
    other_pattern_id: str | None
    reason: str


@dataclass(frozen=True)
class Findings(Generic[T]):
    """By the caller's own ids; each is in exactly one of the two."""

    found: Mapping[str, T] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many were found, and how many were not for each reason."""
        reasons = [problem.reason for problem in self.problems.values()]
        return {"found": len(self.found)} | {reason: reasons.count(reason) for reason in sorted(set(reasons))}

    def require_all(self, what: str) -> None:
        """For an application that pins its describer: everything was put to the model, or the week stops.

        What the model itself would not or could not answer (`FINAL_REASONS`) stays without an answer: it would not
        have one tomorrow either.

        Raises:
            BudgetExceeded: the money of the week did not reach.
            ModelUnavailable: the model could not be asked, or a batch is still under way.
        """
        missing = [problem for problem in self.problems.values() if problem.reason not in FINAL_REASONS]
        if not missing:
            return
        first = next((p for p in missing if p.reason == "budget"), missing[0])
        message = f"{len(missing)} of {len(missing) + len(self.found)} {what} have no answer: {first.detail}"
        raise BudgetExceeded(message) if first.reason == "budget" else ModelUnavailable(message)


class Analyst(Protocol):
    """Reads what people said. `version` names models and prompts."""

    version: str

    def describe(self, reports: Sequence[FailureReport]) -> Findings[Description]:
        """One sentence per distinct report, by report_id."""
        ...

    def card(self, patterns: Sequence[QuotedPattern]) -> Findings[Card]:
        """A card per new or changed pattern, by pattern_id."""
        ...

    def judge(self, candidates: Sequence[Candidate]) -> Findings[Judgement]:
        """A judgement per new pattern, by pattern_id."""
        ...

    def audit(self, cases: Sequence[AuditCase]) -> Findings[Label]:
        """Whether each event is a case of its pattern, by case_id."""
        ...


class OfflineAnalyst:
    """Asks nobody: everything stays as the offline stages made it."""

    version = "offline-1"

    def describe(self, reports: Sequence[FailureReport]) -> Findings[Description]:
        """Nothing, with the reason."""
        return Findings({}, {report.report_id: _NOBODY for report in reports})

    def card(self, patterns: Sequence[QuotedPattern]) -> Findings[Card]:
        """Nothing, with the reason."""
        return Findings({}, {pattern.pattern_id: _NOBODY for pattern in patterns})

    def judge(self, candidates: Sequence[Candidate]) -> Findings[Judgement]:
        """Nothing, with the reason."""
        return Findings({}, {candidate.pattern.pattern_id: _NOBODY for candidate in candidates})

    def audit(self, cases: Sequence[AuditCase]) -> Findings[Label]:
        """Nothing, with the reason."""
        return Findings({}, {case.case_id: _NOBODY for case in cases})


_NOBODY = Problem("offline", "no model is asked (analyst: offline)")


def _recall_nothing(_purpose: Purpose, _items: Sequence[Item]) -> Answer:
    return Answer()


class ClaudeAnalyst:
    """Asks models, in requests of many items.

    Args:
        ask: puts requests to a model.
        policy: models and sizes.
        recall: answers of earlier runs.
    """

    def __init__(self, ask: Ask, policy: AnalystPolicy, recall: Recall = _recall_nothing) -> None:
        self._ask, self._policy, self._recall = ask, policy, recall
        self.version = f"claude-1-{policy.describe_model}-{policy.judge_model}-{policy.card_model}"

    def describe(self, reports: Sequence[FailureReport]) -> Findings[Description]:
        """One sentence per distinct report, the first `max_describe_events` that have none yet (all where pinned).

        Where nobody said anything nobody is asked: the sentence is empty.
        """
        model, pinned = self._policy.describe_model, self._policy.is_pinned
        items = {report.report_id: report_item(report, model) for report in reports}
        spoken = {report_id: item for report_id, item in items.items() if "comment" in item.content}
        answer = self._answer("describe", model, spoken, None if pinned else self._policy.max_describe_events)

        def read(report_id: str, entry: Entry) -> Description:
            return Description(entry["failure"], entry["injection_suspected"] or _is_suspect(items[report_id]))

        described = _by_owner(spoken, answer, read)
        silent = {owner: Description("", _is_suspect(item)) for owner, item in items.items() if owner not in spoken}
        return Findings({**described.found, **silent}, described.problems)

    def card(self, patterns: Sequence[QuotedPattern]) -> Findings[Card]:
        """A card per pattern; quotes it names as evidence come back as their interactions."""
        model = self._policy.card_model
        quoted = {pattern.pattern_id: pattern for pattern in patterns}
        items = {pattern_id: card_item(pattern, model) for pattern_id, pattern in quoted.items()}

        def read(pattern_id: str, entry: Entry) -> Card:
            numbers = [int(one[1:]) for one in entry["evidence"]]
            ids = tuple(shown_quotes(quoted[pattern_id])[n - 1].interaction_id for n in numbers)
            return Card(**{name: entry[name] for name in entry if name != "evidence"}, evidence_ids=ids)

        return _by_owner(items, self._answer("card", model, items), read)

    def judge(self, candidates: Sequence[Candidate]) -> Findings[Judgement]:
        """A judgement per candidate; the known pattern it names comes back as its id."""
        model = self._policy.judge_model
        by_id = {candidate.pattern.pattern_id: candidate for candidate in candidates}
        items = {pattern_id: judge_item(candidate, model) for pattern_id, candidate in by_id.items()}

        def read(pattern_id: str, entry: Entry) -> Judgement:
            of = entry["of"]
            other = by_id[pattern_id].known[int(of[1:]) - 1].pattern_id if of else None
            return Judgement(entry["judgement"], other, entry["reason"])

        return _by_owner(items, self._answer("judge", model, items), read)

    def audit(self, cases: Sequence[AuditCase]) -> Findings[Label]:
        """A label per case, by the model that judges; unsure where a text of the event speaks to the model."""
        model = self._policy.judge_model
        items = {case.case_id: audit_item(case, model) for case in cases}

        def read(case_id: str, entry: Entry) -> Label:
            label: Label = entry["is_case"]
            return "unsure" if _is_suspect(items[case_id]) else label

        return _by_owner(items, self._answer("audit", model, items), read)

    def _answer(self, purpose: Purpose, model: str, items: Mapping[str, Item], most: int | None = None) -> Answer:
        """Answers by item key: remembered ones first, then asked for in ever smaller requests."""
        distinct = list({item.key: item for item in items.values()}.values())
        known = self._recall(purpose, distinct)
        found, problems = dict(known.found), dict(known.problems)
        due = [item for item in distinct if item.key not in found and item.key not in problems]
        if most is not None and len(due) > most:
            too_many = Problem("limit", f"more than max_describe_events = {most} reports to describe")
            problems |= {item.key: too_many for item in due[most:]}
            due = due[:most]
        groups = split(due, _PER_REQUEST.get(purpose, self._policy.items_per_request))
        while groups:
            answers = self._ask([render(purpose, model, group) for group in groups])
            smaller: list[list[Item]] = []
            for group, answer in zip(groups, answers, strict=True):
                again = _regroup(group, answer)
                retried = {item.key for part in again for item in part}
                found |= answer.found
                problems |= {key: problem for key, problem in answer.problems.items() if key not in retried}
                smaller += again
            groups = smaller
        return Answer(found, problems)


def _regroup(group: Sequence[Item], answer: Answer) -> list[list[Item]]:
    """What of a group is asked again: halves of it where the whole reply was no use, single items alone, once.

    Every further request is smaller than the one before, so that this ends; what fails alone stays so.
    """
    if len(group) == 1:
        return []
    left = [item for item in group if item.key in answer.problems]
    reasons = {answer.problems[item.key].reason for item in left}
    if len(left) == len(group) and len(reasons) == 1 and reasons <= _WHOLE:
        middle = len(group) // 2
        return [list(group[:middle]), list(group[middle:])]
    return [[item] for item in left if answer.problems[item.key].reason in FINAL_REASONS]


def _is_suspect(item: Item) -> bool:
    return any(speaks_to_model(str(text)) for text in item.content.values())


def _by_owner(items: Mapping[str, Item], answer: Answer, read: Callable[[str, Entry], T]) -> Findings[T]:
    """Answers under the caller's own ids; equal items share one."""
    found = {owner: read(owner, answer.found[item.key]) for owner, item in items.items() if item.key in answer.found}
    rest = {owner: answer.problems[item.key] for owner, item in items.items() if owner not in found}
    return Findings(found, rest)
