"""The settings of the cluster stage. Does not belong here: anything that computes."""

from dataclasses import dataclass
from math import inf

from feedback_loop.records import check_between


@dataclass(frozen=True)
class ClusterPolicy:
    """How texts become patterns.

    Attributes:
        max_sample: new texts that are grouped together; the rest is placed into what they form.
        resolution: of the communities; higher means more and smaller groups.
        min_similarity: no text is a member of a pattern below this cosine, however loose the pattern.
        max_similarity: a text this similar is a member, however alike the pattern's founders are: near-copies found a
            pattern that would know nothing but copies.
        tolerance: a pattern's threshold is the median similarity of its founders less this many MADs.
        join_share: a new group joins a known pattern when half its members reach this share of its threshold.
        min_cohesion: how much more alike (mean cosine) a new pattern's exemplars are to one another than to the week's
            texts that it would not take; a looser group is not founded, for it would take in whatever comes later.
        min_texts: distinct texts that a new pattern needs.
        min_users: distinct users that a confirmed pattern needs; fewer make it a candidate.
        max_exemplars: remembered members of a pattern.
        dormant_weeks: weeks with data, but without a member, after which a pattern is dormant.
    """

    max_sample: int = 6000
    resolution: float = 0.5
    min_similarity: float = 0.42
    max_similarity: float = 0.55
    tolerance: float = 2.0
    join_share: float = 0.75
    min_cohesion: float = 0.2
    min_texts: int = 5
    min_users: int = 3
    max_exemplars: int = 25
    dormant_weeks: int = 4

    def __post_init__(self) -> None:
        check_between(self, 1, inf, "max_sample", "min_texts", "min_users", "max_exemplars", "dormant_weeks")
        check_between(self, 0, inf, "tolerance")
        check_between(self, 0, 1, "min_similarity", "max_similarity", "join_share", "min_cohesion")
        check_between(self, self.min_similarity, 1, "max_similarity")
        if not 0 < self.resolution < inf:
            raise ValueError(f"resolution must be above 0, got {self.resolution}")
