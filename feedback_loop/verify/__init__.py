"""Verify: did the pattern's rate really fall after the fix was deployed?

Belongs here: verdicts, the looks that are due, and what guards them. Does not belong here: finding fixes and counting
events with the frozen detector (`store/`), and the statistics (`stats/`).

In the loop: route -> (people ship a fix) -> **verify** -> back to cluster.

`verify_fixes` in reading order: `fixes` (the steps) -> `tenant` (counts) -> `arms` (before and after) -> `nuisance`
and `estimate` (the numbers) -> `decide` (the verdict); `guards`, `placebo`, `watch` and
`learned` beside it. `windows` is the older method that the daily
asset still asks.
"""

from feedback_loop.verify.fixes import VERDICTS, verify_fixes
from feedback_loop.verify.guards import ARRIVALS, AUDITS, DETECTORS, GUARDS, GuardPolicy, check_guards, may_close
from feedback_loop.verify.learned import chance_at_least, learn_cut_prior
from feedback_loop.verify.placebo import PlaceboRates, check_placebos
from feedback_loop.verify.policy import VerifyPolicy
from feedback_loop.verify.watch import WATCHES, WatchPolicy, watch_fixes
from feedback_loop.verify.windows import (
    AFFECTED,
    EXPOSURES,
    METHOD_VERSION,
    Look,
    due_looks,
    join_fixes,
    look_of,
    pending_look,
    verify_look,
)

__all__ = [
    "AFFECTED",
    "ARRIVALS",
    "AUDITS",
    "DETECTORS",
    "EXPOSURES",
    "GUARDS",
    "METHOD_VERSION",
    "VERDICTS",
    "WATCHES",
    "GuardPolicy",
    "Look",
    "PlaceboRates",
    "VerifyPolicy",
    "WatchPolicy",
    "chance_at_least",
    "check_guards",
    "check_placebos",
    "due_looks",
    "join_fixes",
    "learn_cut_prior",
    "look_of",
    "may_close",
    "pending_look",
    "verify_fixes",
    "verify_look",
    "watch_fixes",
]
