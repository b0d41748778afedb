"""Personal data and secrets out of text before it is stored; invisible characters out before it is shown.

Two passes. The light one (`redact`) is the standard library alone and runs inside the application, before anything is
spooled: secrets, e-mail addresses, phone and card numbers. The full one (`deep.py`) runs on every way into the store:
names that a cue gives away, and what the recognisers of Presidio know. They replace by `<email>`, `<person>` and so
on. Doing it again changes nothing.

Belongs here: the names that other rooms use. Does not belong here: which fields are redacted (`intake/rows.py`).
Nothing that this module imports is heavy; `deep.py` is imported where it is needed.
"""

from feedback_loop.redaction.light import (
    CARD,
    EMAIL,
    HASHED,
    PHONE,
    hash_user,
    is_clean,
    protect_id,
    protect_user,
    redact,
    redact_json,
)
from feedback_loop.redaction.secrets import SECRET
from feedback_loop.redaction.showing import INVISIBLE, visible

__all__ = [
    "CARD",
    "EMAIL",
    "HASHED",
    "INVISIBLE",
    "PHONE",
    "SECRET",
    "hash_user",
    "is_clean",
    "protect_id",
    "protect_user",
    "redact",
    "redact_json",
    "visible",
]
