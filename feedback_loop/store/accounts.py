"""The account that runs the embedded PostgreSQL server where we are root, for PostgreSQL refuses to run as root.

Belongs here: finding or making that system user, and its way to the server's files. Does not belong here: the server
(`embedded.py`).
"""

import fcntl
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from feedback_loop.errors import ConfigurationError

SYSTEM_USER = "pgserver"
PASSWD = Path("/etc/passwd")


def system_account() -> tuple[int, int]:
    """Uid and gid of the system user that runs the server for root; created where missing.

    One process at a time: of two that ran useradd at once, both went on, with two uids, and only one of them lasted.
    """
    with PASSWD.open("rb") as passwd:
        fcntl.flock(passwd, fcntl.LOCK_EX)
        if SYSTEM_USER not in {entry.pw_name for entry in pwd.getpwall()}:
            _add_system_user()
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError as error:
        raise ConfigurationError(f"could not create the system user {SYSTEM_USER}; run as a normal user") from error
    return entry.pw_uid, entry.pw_gid


def _add_system_user() -> None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        raise ConfigurationError(
            f"PostgreSQL does not run as root: create the system user {SYSTEM_USER}, run as a normal user, or set "
            "FEEDBACK_LOOP_DATABASE_URL"
        )
    # No check: somebody else may have created the user at the same moment; a look-up decides.
    subprocess.run([program, "--system", SYSTEM_USER], check=False, capture_output=True)  # noqa: S603


def open_way(path: Path) -> None:
    """Let other accounts walk through (not list) the directories above `path`, as the server's own must."""
    for parent in path.parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
