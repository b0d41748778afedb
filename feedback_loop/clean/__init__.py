"""Clean: which feedback is left out, whose weighs less, and why; nothing is dropped without a row that says so.

Belongs here: rules on a week's feedback and what is usual in its application. Does not belong here: reading feedback
and storing the answer (`store/exclusions.py`), what counts as negative (`extract.py`), how weights enter ranks
(`prioritise.py`).

In the loop: capture -> **clean** -> extract.

- `policy.py`: reason codes and settings
- `frames.py`: what goes in and out
- `week.py`: the order of the rules
- `texts.py`: empty words and copies; `raters.py`: single raters; `crowds.py`: many together
"""

from feedback_loop.clean.frames import EXCLUSIONS, FEEDBACK, HISTORY, OUTCOMES, Past
from feedback_loop.clean.policy import CleanPolicy, Effect
from feedback_loop.clean.week import CleanedWeek, clean_week

__all__ = [
    "EXCLUSIONS",
    "FEEDBACK",
    "HISTORY",
    "OUTCOMES",
    "CleanPolicy",
    "CleanedWeek",
    "Effect",
    "Past",
    "clean_week",
]
