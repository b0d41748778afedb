"""The ingest service: facts and feedback over HTTP, the feedback of one interaction back, and the widget.

A request travels: `edge` (headers, what goes wrong) -> `endpoints` (one function per path) -> `access` (which key, and
what it may) -> `limits` (how much) -> `bodies` (bytes into lines) -> `reading` (lines into records) -> `writing` (many
requests in one transaction, by `intake/storing.py`). `app` puts it together, `policy` has the settings, `openapi`
describes it, `answers` is how it speaks, `widget.js` is the web component.
"""
