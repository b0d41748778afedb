"""Verify: did the pattern's rate really fall after the fix was deployed?

Belongs here: verdicts, the looks that are due, and what guards them. Does not belong here: finding fixes and counting
events with the frozen detector (`store/`), and the statistics (`stats/`).

In the loop: route -> (people ship a fix) -> **verify** -> back to cluster.

`verify_fixes` in reading order: `looks` (when) and `frames` (of what) -> `fixes` (the steps) -> `tenant` (counts) ->
`arms` (before and after) -> `nuisance` and `estimate` (the numbers) -> `decide` (the verdict); `guards`, `audit` (of
the detector), `evidence` (its weeks, to draw and to check), `scores`, `retention`, `prospects`, `placebo`, `watch` and
`learned` beside it.
"""

from feedback_loop.verify.audit import AUDITS, SEEN, draw_sample, with_sides
from feedback_loop.verify.evidence import WEEKS, fix_weeks
from feedback_loop.verify.fixes import VERDICTS, verify_fixes
from feedback_loop.verify.frames import (
    AFFECTED,
    EVENTS,
    EXPOSURES,
    FIXES,
    affected_sessions,
    exposed_sessions,
    fix_rows,
    join_small_segments,
    one_cohort,
    ramp_of,
    without_strays,
)
from feedback_loop.verify.guards import (
    ARRIVALS,
    DETECTORS,
    FAMILIES,
    GUARDS,
    HEARD,
    NOTES,
    GuardPolicy,
    check_guards,
    families_of,
    may_close,
)
from feedback_loop.verify.learned import chance_at_least, learn_cut_prior
from feedback_loop.verify.looks import METHOD_VERSION, Look, due_at, due_looks, is_settled, join_fixes, next_look_at
from feedback_loop.verify.placebo import PlaceboRates, check_placebos
from feedback_loop.verify.policy import VerifyPolicy
from feedback_loop.verify.prospects import PROSPECTS, days_to_decision, prospects_of
from feedback_loop.verify.retention import lacks_baseline, readable_since
from feedback_loop.verify.scores import SCORES, score_changes
from feedback_loop.verify.watch import WATCHES, WatchPolicy, watch_fixes

__all__ = [
    "AFFECTED",
    "ARRIVALS",
    "AUDITS",
    "DETECTORS",
    "EVENTS",
    "EXPOSURES",
    "FAMILIES",
    "FIXES",
    "GUARDS",
    "HEARD",
    "METHOD_VERSION",
    "NOTES",
    "PROSPECTS",
    "SCORES",
    "SEEN",
    "VERDICTS",
    "WATCHES",
    "WEEKS",
    "GuardPolicy",
    "Look",
    "PlaceboRates",
    "VerifyPolicy",
    "WatchPolicy",
    "affected_sessions",
    "chance_at_least",
    "check_guards",
    "check_placebos",
    "days_to_decision",
    "draw_sample",
    "due_at",
    "due_looks",
    "exposed_sessions",
    "families_of",
    "fix_rows",
    "fix_weeks",
    "is_settled",
    "join_fixes",
    "join_small_segments",
    "lacks_baseline",
    "learn_cut_prior",
    "may_close",
    "next_look_at",
    "one_cohort",
    "prospects_of",
    "ramp_of",
    "readable_since",
    "score_changes",
    "verify_fixes",
    "watch_fixes",
    "with_sides",
    "without_strays",
]
