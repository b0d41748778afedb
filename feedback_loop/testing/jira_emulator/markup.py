"""Pieces of HTML in which nothing runs and nothing loads, and the list of what Jira would have made active in them.

Belongs here: escaping, and the one way an active thing is shown. Does not belong here: the two formats (`wiki.py`,
`adf_html.py`), the page (`page.py`).
"""

from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal
from urllib.parse import urlsplit

from feedback_loop.testing.jira_emulator.records import Attachment

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_FOLLOWED = ("http", "https", "mailto")


@dataclass(frozen=True)
class Active:
    """A mention, an image from elsewhere or a link."""

    kind: Literal["mention", "image", "link"]
    target: str

    def leads_to(self, hosts: Collection[str]) -> bool:
        """Whether it is a link to one of these."""
        try:
            host = urlsplit(self.target).hostname
        except ValueError:
            host = None
        return self.kind == "link" and host in hosts


@dataclass
class Canvas:
    """What one text is drawn with.

    Attributes:
        attachments: of its issue; the only images that are shown.
        hosts: links to these are shown as links, all others as dangerous.
        active: filled while drawing.
    """

    attachments: Sequence[Attachment] = ()
    hosts: Collection[str] = ()
    active: list[Active] = field(default_factory=list)

    def link(self, target: str, inner: str) -> str:
        """A link around HTML; one that is no web or mail address is shown as text."""
        found = Active("link", target)
        self.active.append(found)
        kind = "link" if found.leads_to(self.hosts) else "link danger"
        if target.partition(":")[0].lower() not in _FOLLOWED:
            return element("span", inner, kind=kind, title=target)
        return element("a", inner, kind=kind, href=target, rel="noreferrer nofollow", title=target)

    def mention(self, name: str) -> str:
        """Somebody who is notified."""
        self.active.append(Active("mention", name))
        return element("span", f"@{text(name)}", kind="mention danger")

    def remote_image(self, address: str) -> str:
        """The address of an image elsewhere; it is not loaded."""
        self.active.append(Active("image", address))
        return element("span", f"[image from {text(address)}]", kind="danger")

    def file(self, found: Attachment | None, name: str) -> str:
        """An attachment in the text, or its name where there is none (any more)."""
        return element("span", f"[{text(name)} is missing]", kind="missing") if found is None else figure(found)


def text(value: object) -> str:
    """Escaped; a lone surrogate, which HTML cannot hold, becomes a question mark."""
    return escape(str(value)).encode("utf-8", "replace").decode()


def element(name: str, inner: str = "", *, kind: str = "", **attributes: object) -> str:
    """One element around HTML; `kind` is its class."""
    given = {**({"class": kind} if kind else {}), **attributes}
    said = "".join(f' {key}="{text(value)}"' for key, value in given.items())
    return f"<{name}{said}>" if name in ("br", "hr", "img") else f"<{name}{said}>{inner}</{name}>"


def figure(attachment: Attachment) -> str:
    """An image with its name, inside the page; of another file its name and size."""
    name = text(attachment.filename)
    if attachment.mime_type not in _IMAGES:
        return element("p", f"{name} ({len(attachment.content):,} bytes)", kind="file")
    source = f"data:{attachment.mime_type};base64,{b64encode(attachment.content).decode()}"
    image = element("img", src=source, alt=attachment.filename)
    return element("figure", image + element("figcaption", name))
