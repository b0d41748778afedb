"""Cluster: the week's failures and all that is remembered, grouped together. The same pattern keeps its id every week.

    week        the stage: patterns found, every event placed, everybody a week older
    finding     what becomes of each group: joins a known pattern, is new, is a part of one, is noise
    discovery   groups and known patterns, and the gate that a new one must pass
    grouping    neighbour graph, communities, the finest stable grain
    judging     a model's second opinion on what is new
    founding    a pattern's id and its first, offline words (`cards`)
    memory      what is remembered of a pattern, and how alike a member must be
    place       is a text a member of a known pattern: the one rule, live and frozen
    kin         patterns that may well be one failure
    subjects    events of which nobody said what went wrong
    life        candidate, confirmed, dormant, regressed

Nothing here fetches or stores anything. In the loop: describe -> **cluster** -> prioritise.
"""

from feedback_loop.cluster.judging import GroupJudgement, Judge
from feedback_loop.cluster.kin import families_of
from feedback_loop.cluster.life import Lineage
from feedback_loop.cluster.policy import ClusterPolicy
from feedback_loop.cluster.week import WeekPatterns, cluster_week, freeze_detector, measure_nearness, place_events

__all__ = [
    "ClusterPolicy",
    "GroupJudgement",
    "Judge",
    "Lineage",
    "WeekPatterns",
    "cluster_week",
    "families_of",
    "freeze_detector",
    "measure_nearness",
    "place_events",
]
