"""Rendering: a document as a tracker writes it. One module per markup: `markdown` (files), `adf` (Jira Cloud), `wiki`
(Jira Data Center).

Belongs here: markup, and what keeps the text of users inert in it. Does not belong here: words (`route/`), and sending
them (`clients/`).
"""
