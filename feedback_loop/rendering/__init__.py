"""Rendering: a document as a tracker writes it. One module per markup.

    markdown    files of the local tracker, metadata in Dagster
    adf         Jira Cloud
    wiki        Jira Data Center
    safety      what keeps the text of users harmless in all of them
    fitting     documents and titles cut to what trackers take

Belongs here: markup, and what keeps the text of users inert in it. Does not belong here: words (`route/`), and sending
them (`clients/`).
"""

from feedback_loop.rendering.fitting import MAX_CHARS, fit, title

__all__ = ["MAX_CHARS", "fit", "title"]
