"""The secret that turns user ids into keyed hashes.

Belongs here: where the key comes from and how it is made. Does not belong here: hashing (`redaction.py`) and the check
that a database sees one key only (`store/installation.py`).
"""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError

KEY_FILE = "user_hash.key"
MIN_CHARACTERS = 16


def load_hash_key(environment: Environment) -> bytes:
    """The key, 32 bytes: from FEEDBACK_LOOP_HASH_KEY, else from `user_hash.key` in the data directory.

    The file is made at first use, readable by its owner only; of several processes at once all get the same key.
    Setting the variable to the file's content gives the same key.

    Raises:
        ConfigurationError: the secret is shorter than 16 characters, or the file cannot be read or made.
    """
    if environment.hash_key is not None:
        return _derive(environment.hash_key, "FEEDBACK_LOOP_HASH_KEY")
    path = environment.home / KEY_FILE
    try:
        if not path.exists():
            _make_key_file(path)
        secret = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the key file {path} cannot be read or made: {error}") from error
    return _derive(secret, str(path))


def _derive(secret: str, source: str) -> bytes:
    secret = secret.strip()
    if len(secret) < MIN_CHARACTERS:
        raise ConfigurationError(f"{source} has {len(secret)} characters; a hash key needs at least {MIN_CHARACTERS}")
    return hashlib.sha256(secret.encode()).digest()


def _make_key_file(path: Path) -> None:
    """Write a whole file elsewhere, then link it into place: the first process wins, none reads half a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{KEY_FILE}.")  # mkstemp makes it with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        os.unlink(name)
