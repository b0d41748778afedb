"""Cluster: known failure patterns first, then new ones in the rest. The same pattern keeps its id every week.

`week.py` is the stage; it uses `place.py` (is this text a member of a known pattern), `group.py` (which texts belong
together) and `cards.py` (what to call it). Nothing here fetches or stores anything.

In the loop: describe -> **cluster** -> prioritise.
"""

from feedback_loop.cluster.policy import ClusterPolicy
from feedback_loop.cluster.week import WeekPatterns, cluster_week, freeze_detector, place_events

__all__ = ["ClusterPolicy", "WeekPatterns", "cluster_week", "freeze_detector", "place_events"]
