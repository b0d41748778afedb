"""Route: which patterns get a ticket, where it goes, and what happens to it after a verdict. Plans only.

Belongs here: the decision, and the words of a ticket. Does not belong here: the ledger (`store/tickets.py`) and the
tracker that carries a plan out (`clients/`).

In the loop: prioritise -> **route** -> (people ship a fix) -> verify -> **route** again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import pandas as pd

from feedback_loop.decisions import UNDECIDED, EffectiveDecisions
from feedback_loop.records import (
    FINAL_VERDICTS,
    NOT_REDUCED,
    Cause,
    Fix,
    PatternState,
    Ticket,
    TicketEvent,
    Verification,
    check_between,
)
from feedback_loop.redaction import visible

ROUTES: dict[Cause, str] = {
    "prompt": "prompt fix",
    "retrieval": "retrieval fix",
    "product": "product change",
    "model": "model limitation",
    "unknown": "triage",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#|!~&])")
_BLOCK_START = re.compile(r"^(\d*)([-+=.)])")
_SCHEME = re.compile(r"(?<![a-z])(https?|ftp|javascript|data|mailto):", re.IGNORECASE)  # also after a digit or _
_WWW = re.compile(r"(?<![a-z])(www)\.", re.IGNORECASE)


@dataclass(frozen=True)
class RoutePolicy:
    """When a pattern earns a ticket.

    Attributes:
        min_occurrences: of the pattern in the week.
        min_users: distinct users in the week.
        max_new_tickets: per application and week, first things first; the rest stays listed as patterns.
        n_quotes: users' words shown in a ticket.
    """

    min_occurrences: int = 10
    min_users: int = 3
    max_new_tickets: int = 10
    n_quotes: int = 5

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "min_occurrences", "min_users", "max_new_tickets", "n_quotes")


@dataclass(frozen=True)
class TicketDraft:
    """A ticket the plan asks for; the ledger gives it its number."""

    pattern_id: str
    route: str
    priority: int
    title: str
    body: str


def plan_tickets(
    patterns: Sequence[PatternState],
    pattern_weeks: pd.DataFrame,
    has_ticket: frozenset[str],
    looks: Sequence[int],
    policy: RoutePolicy,
    decided: EffectiveDecisions = UNDECIDED,
) -> list[TicketDraft]:
    """Tickets to make this week, first things first.

    Args:
        patterns: states at the end of the week.
        pattern_weeks: frame `prioritise.PATTERN_WEEKS` of the week.
        has_ticket: patterns that already have one; a pattern never gets a second.
        looks: days after a fix at which it is judged, for the ticket's last section.
        policy: floors and limits.
        decided: what people said: names, causes and with them routes; what is muted or merged gets no ticket, and
            merged patterns have one between them.
    """
    states = {p.pattern_id: decided.correct(p) for p in patterns}
    served = {decided.stays(pattern_id) for pattern_id in has_ticket} | decided.muted | set(decided.merges)
    drafts = []
    for row in pattern_weeks.sort_values("rank").to_dict("records"):
        state = states[row["pattern_id"]]
        is_big_enough = row["n_occurrences"] >= policy.min_occurrences and row["n_users"] >= policy.min_users
        if state.status in ("confirmed", "regressed") and is_big_enough and state.pattern_id not in served:
            numbers = {str(key): value for key, value in row.items()}
            drafts.append(
                TicketDraft(
                    pattern_id=state.pattern_id,
                    route=ROUTES[state.likely_cause],
                    priority=_priority(state.severity, int(row["rank"])),
                    title=inert(state.name),
                    body=_ticket_body(state, numbers, looks, policy, is_decided=state.pattern_id in decided.causes),
                )
            )
    return drafts[: policy.max_new_tickets]


def _priority(severity: int, rank: int) -> int:
    """1 (highest) to 4: by severity, one step up for the three patterns that come first."""
    return max(1, min(4, 5 - severity - (1 if rank <= 3 else 0)))


def _ticket_body(
    state: PatternState, row: Mapping[str, float], looks: Sequence[int], policy: RoutePolicy, *, is_decided: bool
) -> str:
    rate = row["rate"]
    per_1000 = "" if pd.isna(rate) else f", {1000 * rate:.1f} of 1,000 sessions"
    quotes = [inert(e.quote or e.text) for e in state.exemplars[: policy.n_quotes]]
    later = ", ".join(str(day) for day in looks[1:])
    says = "a person's word" if is_decided else "a rule's suggestion"
    suggested = state.suggested_fix or "none; the one there was supposed another cause."
    return "\n".join(
        [
            f"**Impact** in the first week: {int(row['n_occurrences'])} unhappy answers to {int(row['n_users'])} known "
            f"users{per_1000}. Severity {state.severity} of 4.",
            "",
            "**What users say** (their own words, untrusted text):",
            "",
            *[f"> {quote}\n" for quote in quotes],
            f"**Likely cause**: {state.likely_cause} ({says}).",
            "",
            f"**Suggested fix** (a suggestion): {suggested}",
            "",
            "**How we will know it is fixed**: record the deployment with `feedback-loop deployed VERSION --fixes` and "
            f"this ticket's key. {looks[0]} days later the share of affected sessions is compared with the "
            f"{looks[0]} days before; where that is not enough evidence, again after {later} days.",
            "",
            f"Pattern `{state.pattern_id}`, first seen in the week of {state.first_seen_week}.",
        ]
    )


def inert(text: str) -> str:
    """User text as one line of Markdown that shows the text and does nothing: no links, HTML, lists or mentions."""
    one_line = _WWW.sub(r"\1[.]", _SCHEME.sub(r"\1[:]", visible(text)))
    escaped = _BLOCK_START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", one_line))
    return escaped.replace("@", "@\u2060")


def plan_deployed_comments(fixes: Sequence[Fix], first_look: Mapping[str, str]) -> list[TicketEvent]:
    """One comment per fix: it is deployed, and on which day the first verdict comes (`first_look` by fix_id)."""
    return [
        TicketEvent(
            application=fix.application,
            pattern_id=fix.pattern_id,
            event_key=f"deployed:{fix.fix_id}",
            kind="comment",
            body=f"A fix was deployed on {fix.deployed_at:%Y-%m-%d}"
            + (f" with prompt version {inert(fix.prompt_version)}" if fix.prompt_version else "")
            + f". The first verdict comes on {first_look[fix.fix_id]}.",
            occurred_at=fix.deployed_at,
        )
        for fix in fixes
    ]


def plan_verdict_events(verifications: Sequence[Verification], names: Mapping[str, str]) -> list[TicketEvent]:
    """What a verdict does to its ticket: always a comment; reopened where it was not reduced, closed where effective.

    A partial reduction leaves the ticket as it is: a person decides whether it is enough.

    Args:
        verifications: new looks, in any order.
        names: pattern_id -> name, for the sentence.
    """
    events = []
    for v in sorted(verifications, key=lambda v: (v.as_of, v.fix_id)):
        kind = "reopen" if v.verdict in NOT_REDUCED else "close" if v.verdict == "effective" else "comment"
        events.append(
            TicketEvent(
                application=v.application,
                pattern_id=v.pattern_id,
                event_key=f"verdict:{v.fix_id}:{v.look_day}",
                kind=kind,  # type: ignore[arg-type]  # narrowed by the three literals above
                body=f"{inert(names.get(v.pattern_id, v.pattern_id))}: {verdict_sentence(v)}",
                occurred_at=v.as_of,
            )
        )
    return events


def plan_duplicates(tickets: Sequence[Ticket], decided: EffectiveDecisions) -> list[TicketEvent]:
    """Of the tickets of merged patterns one goes on; the others are closed as its duplicates, and it is told.

    Args:
        tickets: of one application; those that the tracker does not hold yet are left for later.
        decided: what people merged there.
    """
    held = [t for t in tickets if t.ticket_key is not None]
    speaking, events = decided.speaking_tickets(held), []
    for ticket in held:
        main = speaking[decided.stays(ticket.pattern_id)]
        if main == ticket:
            continue
        at = decided.merged_at[ticket.pattern_id]
        key = f"{ticket.pattern_id}:{main.pattern_id}:{at:%Y%m%dT%H%M%S}"
        said = f"Duplicate of {main.ticket_key}. Their patterns were merged: what comes is counted and judged there."
        events.append(TicketEvent(ticket.application, ticket.pattern_id, f"duplicate:{key}", "close", said, at))
        if not decided.is_muted(main.pattern_id):
            told = f"{ticket.ticket_key} is a duplicate of this ticket. Their patterns were merged and count here."
            events.append(TicketEvent(main.application, main.pattern_id, f"merged:{key}", "comment", told, at))
    return events


def verdict_sentence(v: Verification) -> str:
    """One verdict in words that need no statistics."""
    head = v.verdict.replace("_", " ").capitalize()
    after = "" if v.next_look_at is None or v.verdict in FINAL_VERDICTS else f" Next look on {v.next_look_at:%Y-%m-%d}."
    if v.reduction is None or v.ci_low is None or v.ci_high is None or v.confidence is None:
        return f"{head} on day {v.look_day}: {v.reason}.{after}"
    change = f"{abs(v.reduction):.0%} {'fewer' if v.reduction >= 0 else 'more'}"
    return (
        f"{head} on day {v.look_day}: {change} affected sessions than expected without the fix "
        f"({v.confidence:.0%} range of the cut {v.ci_low:.0%} to {v.ci_high:.0%}; expected {v.n_expected:.0f}, "
        f"saw {v.n_after}). {v.reason[:1].upper()}{v.reason[1:]}.{after}"
    )
