"""The client of a tool that is imported from.

Belongs here: the choice. Does not belong here: a client (`langfuse.py`, `langsmith.py`, `phoenix.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from feedback_loop.clients.langfuse import LangfuseClient
from feedback_loop.clients.langsmith import LangSmithClient
from feedback_loop.clients.phoenix import PhoenixClient
from feedback_loop.clients.source_calls import Sleep
from feedback_loop.errors import ConfigurationError

SourceClient = LangfuseClient | LangSmithClient | PhoenixClient


@contextmanager
def open_client(
    tool: Literal["langfuse", "langsmith", "phoenix"],
    url: str | None,
    project: str | None,
    secret: tuple[str, str | None],
    sleep: Sleep,
) -> Iterator[SourceClient]:
    """The client of a tool, until the block ends.

    Args:
        tool: which.
        url: root of its API; None is its own cloud.
        project: its name, where the API wants one.
        secret: (variable that holds it, secret); Phoenix may have none.
        sleep: waits so many seconds.

    Raises:
        ConfigurationError: the SDK, the secret or the project is missing.
    """
    variable, key = secret
    if key is None and tool != "phoenix":
        raise ConfigurationError(f"the source's secret is not set: {variable}")
    if project is None and tool != "langfuse":
        raise ConfigurationError(f"a {tool} source needs the name of its project (`project`)")
    client: SourceClient
    if tool == "langfuse":
        client = LangfuseClient(key or "", url, sleep)
    elif tool == "langsmith":
        client = LangSmithClient(key or "", url, project or "", sleep)
    else:
        client = PhoenixClient(key or "", url, project or "", sleep)
    try:
        yield client
    finally:
        client.close()
