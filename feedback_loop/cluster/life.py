"""Life: what a week does to the states of patterns.

Belongs here: candidate, confirmed, dormant, regressed, and where patterns came from. Does not belong here: which event
is whose member (`week.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import pandas as pd

from feedback_loop.cluster.policy import ClusterPolicy
from feedback_loop.cluster.texts import normal_form
from feedback_loop.records import PatternState, PatternStatus


@dataclass(frozen=True)
class Lineage:
    """Where a pattern came from or went to. Columns of table `pattern_lineage`."""

    pattern_id: str
    relation: Literal["split_from", "merged_into"]
    other_pattern_id: str
    n_shared: int  # remembered members of the other that are nearer to this one


def age(
    patterns: Sequence[PatternState], members: pd.DataFrame, week: date, policy: ClusterPolicy, *, has_data: bool
) -> tuple[PatternState, ...]:
    """Every pattern one week older, by pattern_id. A week without data ages nobody.

    A candidate that stays silent for `dormant_weeks` is forgotten: nobody but chance has shown that it exists. A
    confirmed pattern is remembered for ever, and one that comes back after it was dormant has regressed.

    Args:
        patterns: before this week, and those founded in it.
        members: `pattern_id`, `failure_text` and `user_hash` of the week's members who said something.
        week: Monday.
        policy: what confirms a pattern, and how long silence is.
        has_data: whether the application had any negative event.
    """
    of_pattern = dict(tuple(members.groupby("pattern_id")))
    aged = []
    for pattern in patterns:
        if pattern.pattern_id in of_pattern:
            aged.append(_seen(pattern, of_pattern[pattern.pattern_id], week, policy))
        elif not has_data:
            aged.append(pattern)
        else:
            silent = pattern.n_silent_weeks + 1
            is_long = silent >= policy.dormant_weeks
            if pattern.status != "candidate" or not is_long:
                status: PatternStatus = "dormant" if is_long else pattern.status
                aged.append(replace(pattern, n_silent_weeks=silent, status=status))
    return tuple(sorted(aged, key=lambda p: p.pattern_id))


def _seen(pattern: PatternState, members: pd.DataFrame, week: date, policy: ClusterPolicy) -> PatternState:
    status: PatternStatus = pattern.status
    if status == "candidate":
        said = {normal_form(text) for text in [*members["failure_text"], *(e.text for e in pattern.exemplars)]}
        enough = len(said) >= policy.min_texts and members["user_hash"].nunique() >= policy.min_users
        status = "confirmed" if enough else "candidate"
    elif status == "dormant":
        status = "regressed"
    else:
        status = "confirmed"
    n_total = pattern.n_occurrences + len(members)
    return replace(pattern, status=status, last_seen_week=week, n_silent_weeks=0, n_occurrences=n_total)
