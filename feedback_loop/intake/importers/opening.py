"""How a source of the settings is read and written: its client, or its warehouse.

Belongs here: putting policy, secret and client together; writing back. Does not belong here: requests (`clients/`) and
what is written (`store/sources.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from feedback_loop.clients.source_calls import Sleep
from feedback_loop.clients.sources import SourceClient, open_client
from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError
from feedback_loop.intake.importers.policy import API_TOOLS, SourcePolicy
from feedback_loop.intake.importers.running import Reader
from feedback_loop.intake.importers.warehouse import read_rows
from feedback_loop.store import sources

Begin = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class Written:
    """What was written back.

    Attributes:
        n_patterns, n_verdicts: scores accepted by the tool.
        refused: scores that it refuses, by reason; asked again only when they change.
    """

    n_patterns: int
    n_verdicts: int
    refused: Counter[str] = field(default_factory=Counter)


@contextmanager
def open_reader(policy: SourcePolicy, environment: Environment, sleep: Sleep) -> Iterator[Reader]:
    """What reads a source, until the block ends.

    Raises:
        ConfigurationError: the secret, the SDK or the project is missing; or the tool has export files only.
    """
    if policy.tool == "warehouse":
        variable, url = environment.source_secret(policy.name)
        if url is None or policy.query is None:
            raise ConfigurationError(f"the URL of warehouse {policy.name} is not set: {variable}")
        query = policy.query
        yield Reader(rows=lambda window: read_rows(url, query, window.start, window.end))
        return
    with open_source(policy, environment, sleep) as client:
        yield Reader(observations=client.observations, scores=client.scores)


@contextmanager
def open_source(policy: SourcePolicy, environment: Environment, sleep: Sleep) -> Iterator[SourceClient]:
    """The client of a source, until the block ends.

    Raises:
        ConfigurationError: the secret, the SDK or the project is missing; or the tool has no API.
    """
    tool = policy.tool
    if tool == "otel" or tool == "tables" or tool == "warehouse":
        apis = ", ".join(API_TOOLS)
        raise ConfigurationError(f"{tool} is imported from files; name them (sources with an API: {apis})")
    secret = environment.source_secret(policy.name)
    with open_client(tool, policy.url, policy.project, secret, sleep) as client:
        yield client


def write_back(begin: Begin, client: SourceClient, source: str) -> Written:
    """Write to a source what it does not say yet: planned, then applied, each batch noted as soon as it is settled.

    Args:
        begin: a transaction.
        client: of the source.
        source: its name.

    Raises:
        SourceLocked: the tool does not accept the credentials; what was settled before is noted.
        SourceUnavailable: it cannot be reached or is too busy; likewise.
    """
    with begin() as conn:
        planned = sources.plan_scores(conn, source)
    written: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for batch, problem in client.write(planned):
        with begin() as conn:
            sources.mark_written(conn, source, batch, problem)
        if problem is None:
            written.update(one.name for one in batch)
        else:
            refused[problem] += len(batch)
    return Written(written[sources.PATTERN], written[sources.VERDICT], refused)
