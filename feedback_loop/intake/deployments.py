"""One deployment at a time, as `feedback-loop deployed` records it: the same rules and rows as an import.

Does not belong here: what follows from a deployment (see `store/fixes.py`).
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from feedback_loop.errors import InputError
from feedback_loop.intake.contract import DEFAULT_APPLICATION, parse
from feedback_loop.intake.reasons import Rejection
from feedback_loop.intake.rows import make_row
from feedback_loop.store import facts
from feedback_loop.store.installation import check_hash_key


def record_deployment(
    conn: Connection,
    *,
    hash_key: bytes,
    deployed_at: datetime,
    application: str = DEFAULT_APPLICATION,
    prompt_name: str | None = None,
    prompt_version: str | None = None,
    rollout_share: float = 1.0,
    fixes: Sequence[str] | None = None,
    rationale: str | None = None,
    deployment_id: str | None = None,
) -> str:
    """Store a deployment; storing the same one again changes nothing.

    Args:
        conn: in a transaction.
        hash_key: from `identity.load_hash_key`; 32 bytes.
        deployed_at: with a time zone.
        application: tenant.
        prompt_name: of the version.
        prompt_version: what was deployed; None for a change elsewhere (retrieval, product, model).
        rollout_share: share of the traffic, (0, 1].
        fixes: ticket keys or pattern ids; unknown ones are kept.
        rationale: why.
        deployment_id: one's own id; None derives it from the fields that identify a deployment.

    Returns:
        The deployment's id.

    Raises:
        InputError: a field is wrong, or the deployment is known with other content.
        ConfigurationError: the database was filled with another hash key.
        DatabaseUnavailable: the database was lost.
    """
    fields = {
        "type": "deployment",
        "deployment_id": deployment_id,
        "application": application,
        "deployed_at": deployed_at,
        "prompt_name": prompt_name,
        "prompt_version": prompt_version,
        "rollout_share": rollout_share,
        "fixes": None if fixes is None else list(fixes),
        "rationale": rationale,
    }
    try:
        row = make_row(parse(msgspec.json.encode(fields)), hash_key)
    except (Rejection, UnicodeEncodeError) as error:
        raise InputError(f"the deployment of {prompt_version or 'a change'} cannot be recorded: {error}") from error
    check_hash_key(conn, hash_key)
    facts.prepare_staging(conn)
    if facts.merge(conn, "deployment", [row.text]).conflicts:
        raise InputError(f"deployment '{row.key}' was recorded before with other content")
    return row.key
