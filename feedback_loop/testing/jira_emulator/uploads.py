"""The file in a `multipart/form-data` body.

Belongs here: reading that format (RFC 7578), as far as an upload needs it. Does not belong here: what an attachment is.
"""

import re

from feedback_loop.testing.jira_emulator.refusals import refuse

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_PARAMETER = re.compile(rb'(\w+\*?)="([^"]*)"')


def read_files(content_type: str, raw: bytes) -> list[tuple[str, bytes]]:
    """Name and content of every part that is called `file`.

    Raises:
        RefusedError: no multipart body, no such part, or one without a file's name.
    """
    boundary = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or boundary is None:
        raise refuse(415, "Unsupported Media Type")
    files = []
    for part in raw.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        about = dict(_PARAMETER.findall(head))
        if about.get(b"name") != b"file":
            continue
        if not about.get(b"filename"):
            raise refuse(400, "The file has no name.")
        files.append((about[b"filename"].decode("utf-8", "replace"), content.removesuffix(b"\r\n")))
    if not files:
        raise refuse(400, "No files were uploaded: the part is to be called 'file'.")
    return files
