"""How our errors become Dagster's: retried only where trying again can help.

Belongs here: the one translation from `errors.py`. Does not belong here: deciding which error is which.
"""

import contextlib
from collections.abc import Iterator

import dagster as dg

from feedback_loop.errors import PermanentError, TransientError

MAX_RETRIES = 3
RETRY_SECONDS = 10.0


@contextlib.contextmanager
def as_dagster_failure() -> Iterator[None]:
    """Inside: a `PermanentError` fails the step for good, a `TransientError` asks for another try.

    Any other exception is a defect and passes unchanged, without a retry.
    """
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    except TransientError as error:
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=RETRY_SECONDS) from error
