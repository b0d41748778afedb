"""The settings of the cluster stage. Does not belong here: anything that computes."""

from dataclasses import dataclass
from math import inf

from feedback_loop.records import check_between


@dataclass(frozen=True)
class ClusterPolicy:
    """How texts become patterns. No setting needs labelled data: what is alike is measured on each week's own groups.

    Attributes:
        max_sample: distinct texts that are grouped together; the rest is placed into what they form.
        min_texts: distinct texts that a new pattern needs, and, with what it remembers, a confirmed one.
        min_users: distinct users in one week that confirm a pattern; until then it is a candidate.
        max_exemplars: remembered members of a pattern.
        past_weeks: weeks before; what as large a share of people said in them is not called new.
        dormant_weeks: weeks with data, but without a member until a pattern is dormant and a candidate forgotten.
        seed: of sub-samples and communities. Another seed is another opinion on the same texts.
    """

    max_sample: int = 6000
    min_texts: int = 5
    min_users: int = 3
    max_exemplars: int = 25
    past_weeks: int = 8
    dormant_weeks: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        check_between(
            self, 1, inf, "max_sample", "min_texts", "min_users", "max_exemplars", "past_weeks", "dormant_weeks"
        )
        check_between(self, 0, inf, "seed")
