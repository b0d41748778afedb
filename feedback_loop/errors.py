"""Every error the product raises on purpose, as one tree.

    FeedbackLoopError
    |-- PermanentError            trying again cannot help; never retried
    |   |-- ConfigurationError    settings or environment are wrong; says which key
    |   |-- InputError            an input file or argument is wrong; says which record and why
    |   |-- SchemaError           the database schema is older or newer than this code
    |   |-- NotFoundError         a named ticket, pattern or week does not exist
    |   |-- BudgetExceeded        the money for models does not reach
    |   |-- RequestRefused        a model's API refuses one request as it is
    |   |-- AskingStopped         a model's API refuses every further request of this run
    |   |-- SourceRefused         a tool that is imported from refuses what is asked: credentials, project, query
    |   |   `-- SourceLocked      it does not accept the credentials
    |   |-- TicketRefused         a tracker refuses one ticket or comment as it is
    |   `-- TrackerRefused        a tracker refuses everything: credentials, captcha
    `-- TransientError            the same call may succeed later; Dagster retries it
        |-- DatabaseUnavailable   the database cannot be reached
        |-- ModelUnavailable      a model's API cannot be reached or is too busy; nothing was paid
        |-- SourceUnavailable     a tool that is imported from cannot be reached or is too busy
        |-- ReplyLost             a model may have answered, and been paid, but no reply arrived
        |-- TrackerUnavailable    a tracker cannot be reached or is too busy; nothing was written
        `-- OutcomeUnknown        a tracker may have written what was asked, but did not say so

Whether an error is worth retrying is decided here, once, by its class. Library errors are translated into this tree
where they enter (store, clients, intake) and never travel further. No logic belongs here.
"""


class FeedbackLoopError(Exception):
    """Base of every error raised on purpose."""


class PermanentError(FeedbackLoopError):
    """Trying again cannot help."""


class ConfigurationError(PermanentError):
    """Settings or environment are wrong; the message names the key."""


class InputError(PermanentError):
    """An input file or argument is wrong; the message names the record and the reason."""


class SchemaError(PermanentError):
    """The database schema does not fit this version of the code."""


class NotFoundError(PermanentError):
    """A named ticket, pattern, deployment or week does not exist."""


class TransientError(FeedbackLoopError):
    """The same call may succeed later."""


class DatabaseUnavailable(TransientError):  # noqa: N818 (says what is the case, as in the design)
    """The database cannot be reached or dropped the connection."""


class BudgetExceeded(PermanentError):  # noqa: N818
    """What a week may spend on models does not reach for what has to be asked."""


class RequestRefused(PermanentError):  # noqa: N818
    """A model's API refuses this request as it is; others may pass. Not paid."""


class AskingStopped(PermanentError):  # noqa: N818
    """No further request of this run can succeed: key, permission, spend limit, unknown model, too long a pause."""


class ModelUnavailable(TransientError):  # noqa: N818
    """A model's API cannot be reached or is too busy. Not paid."""


class ReplyLost(TransientError):  # noqa: N818
    """A request arrived, or may have, but no readable reply came back. It may be paid: never sent again by itself."""


class SourceRefused(PermanentError):  # noqa: N818
    """A tool that is imported from, or written back to, refuses what is asked: credentials, project, query, value."""


class SourceLocked(SourceRefused):
    """A tool that is imported from, or written back to, does not accept the credentials: nothing else will pass."""


class SourceUnavailable(TransientError):  # noqa: N818
    """A tool that is imported from, or written back to, cannot be reached or is too busy.

    Attributes:
        retry_after: seconds that it asks to wait; None where it says nothing.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TicketRefused(PermanentError):  # noqa: N818
    """A tracker refuses this ticket, comment or transition as it is; others may pass. The message names the field."""


class TrackerRefused(PermanentError):  # noqa: N818
    """A tracker refuses every request: credentials, a captcha, an account that may do nothing there."""


class TrackerUnavailable(TransientError):  # noqa: N818
    """A tracker cannot be reached or is too busy. Nothing was written."""


class OutcomeUnknown(TransientError):  # noqa: N818
    """A write reached a tracker, or may have, but it did not say what became of it. Look before writing again."""
