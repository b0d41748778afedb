"""What a ticket says: for a person who has never heard of embeddings or p-values."""

from collections.abc import Mapping, Sequence

import pandas as pd

from feedback_loop.documents import Document, Paragraph, Quote, Text
from feedback_loop.records import PatternState
from feedback_loop.route.policy import RoutePolicy


def ticket_body(
    state: PatternState, row: Mapping[str, float], looks: Sequence[int], policy: RoutePolicy, *, is_decided: bool
) -> Document:
    rate = row["rate"]
    per_1000 = "" if pd.isna(rate) else f", {1000 * rate:.1f} of 1,000 sessions"
    later = ", ".join(str(day) for day in looks[1:])
    says = "a person's word" if is_decided else "a rule's suggestion"
    suggested = state.suggested_fix or "none; the one there was supposed another cause."
    impact = (
        f" in the first week: {int(row['n_occurrences'])} unhappy answers to {int(row['n_users'])} known "
        f"users{per_1000}. Severity {state.severity} of 4."
    )
    fixed = (
        ": record the deployment with `feedback-loop deployed VERSION --fixes` and "
        f"this ticket's key. {looks[0]} days later the share of affected sessions is compared with the "
        f"{looks[0]} days before; where that is not enough evidence, again after {later} days."
    )
    return (
        Paragraph((Text("Impact", "strong"), Text(impact))),
        Paragraph((Text("What users say", "strong"), Text(" (their own words, untrusted text):"))),
        *(Quote(e.quote or e.text) for e in state.exemplars[: policy.n_quotes]),
        Paragraph((Text("Likely cause", "strong"), Text(f": {state.likely_cause} ({says})."))),
        Paragraph((Text("Suggested fix", "strong"), Text(f" (a suggestion): {suggested}"))),
        Paragraph((Text("How we will know it is fixed", "strong"), Text(fixed))),
        Paragraph((Text(f"Pattern {state.pattern_id}, first seen in the week of {state.first_seen_week}."),)),
    )
