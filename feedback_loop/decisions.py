"""What people said of failure patterns, resolved: which pattern stays, its name, its cause, whether it is muted.

Belongs here: how recorded decisions combine, as a pure rule that every stage and the store share. Does not belong here:
recording and checking them (`store/decisions.py`), or what follows from them (the stages).

A decision corrects what a pattern is, so it holds for every week, whenever it was made: a week that runs again, before
or after, gives the same answer from the same decisions. It outranks what a model or a rule says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from feedback_loop.records import Cause, DecisionKind, PatternDecision, PatternState
from feedback_loop.tracker import Ticket

QUESTION: Mapping[DecisionKind, str] = {
    "merge": "merge",
    "rename": "rename",
    "cause": "cause",
    "mute": "mute",
    "unmute": "mute",
}
"""What a decision answers: of one pattern and question, the newest answer counts."""


@dataclass(frozen=True)
class EffectiveDecisions:
    """The decisions of one application that count.

    Attributes:
        merges: merged pattern -> the pattern that stays, over any number of merges; it is never merged itself.
        merged_at: merged pattern -> when.
        names: pattern -> its name.
        causes: pattern -> its cause.
        muted: patterns that were muted; ask `is_muted`, which knows of merges.
    """

    merges: Mapping[str, str] = field(default_factory=dict)
    merged_at: Mapping[str, datetime] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    causes: Mapping[str, Cause] = field(default_factory=dict)
    muted: frozenset[str] = frozenset()

    def stays(self, pattern_id: str) -> str:
        """The pattern at which this one counts: itself, unless it was merged."""
        return self.merges.get(pattern_id, pattern_id)

    def together(self, pattern_id: str) -> tuple[str, ...]:
        """All patterns that count as the same one as this, sorted; itself among them."""
        end = self.stays(pattern_id)
        return tuple(sorted({end, *(merged for merged, stays in self.merges.items() if stays == end)}))

    def is_muted(self, pattern_id: str) -> bool:
        """Whether the pattern at which this one counts is muted."""
        return self.stays(pattern_id) in self.muted

    def correct(self, state: PatternState) -> PatternState:
        """A pattern with the name and cause that people gave it; a fix suggested for another cause is dropped."""
        cause = self.causes.get(state.pattern_id, state.likely_cause)
        return replace(
            state,
            name=self.names.get(state.pattern_id, state.name),
            likely_cause=cause,
            suggested_fix=state.suggested_fix if cause == state.likely_cause else "",
        )

    def speaking_tickets(self, tickets: Iterable[Ticket]) -> dict[str, Ticket]:
        """The one ticket that speaks for a pattern: its own, else the oldest of what was merged into it.

        Args:
            tickets: of the application.

        Returns:
            Pattern that stays -> ticket; patterns without any are absent.
        """
        speaking: dict[str, Ticket] = {}
        for ticket in sorted(tickets, key=lambda t: (t.pattern_id in self.merges, t.ticket_number)):
            speaking.setdefault(self.stays(ticket.pattern_id), ticket)
        return speaking


UNDECIDED = EffectiveDecisions()
"""Of an application that nobody decided anything about."""


def effective_decisions(decisions: Iterable[PatternDecision]) -> EffectiveDecisions:
    """What counts of the decisions of one application.

    Of each pattern and question the newest counts. Merges are followed to their end; one that would close a circle of
    older ones is void.

    Raises:
        ValueError: the decisions are of several applications.
    """
    ordered = sorted(decisions, key=lambda d: (d.decided_at, d.pattern_id, d.decision))
    if len({d.application for d in ordered}) > 1:
        raise ValueError("decisions are resolved for one application at a time")
    newest = {(QUESTION[d.decision], d.pattern_id): d for d in ordered}
    into: dict[str, str] = {}
    merged_at = {}
    for d in sorted((d for d in newest.values() if d.decision == "merge"), key=lambda d: d.decided_at):
        if d.value is not None and _end(d.value, into) != d.pattern_id:
            into[d.pattern_id], merged_at[d.pattern_id] = d.value, d.decided_at
    return EffectiveDecisions(
        merges={pattern: _end(pattern, into) for pattern in into},
        merged_at=merged_at,
        names={d.pattern_id: d.value for d in newest.values() if d.decision == "rename" and d.value},
        causes={d.pattern_id: cast(Cause, d.value) for d in newest.values() if d.decision == "cause"},
        muted=frozenset(d.pattern_id for d in newest.values() if d.decision == "mute"),
    )


def _end(pattern_id: str, into: Mapping[str, str]) -> str:
    while pattern_id in into:
        pattern_id = into[pattern_id]
    return pattern_id
