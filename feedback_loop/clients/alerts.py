"""Alerts: nobody watches the schedule, so what goes wrong is said out loud.

Belongs here: the POST to a webhook (Slack-compatible: `{"text": ...}`). Does not belong here: what is worth an alert
(`defs/`).
"""

import json
import urllib.error
import urllib.request

from feedback_loop.errors import ConfigurationError, TransientError

_TIMEOUT_SECONDS = 10


def post_alert(webhook: str, text: str) -> None:
    """Send one line of text.

    Raises:
        ConfigurationError: the webhook is no http(s) URL.
        TransientError: it could not be delivered; says why, without the URL, which is a secret.
    """
    if not webhook.startswith(("https://", "http://")):
        raise ConfigurationError("alert_webhook is no http(s) URL")
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(webhook, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 scheme checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = type(error).__name__
        if isinstance(error, urllib.error.HTTPError):
            reason = f"HTTP {error.code}"
            error.close()  # it holds the connection
        raise TransientError(f"the alert webhook did not take the message ({reason})") from error
