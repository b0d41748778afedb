"""Importers of other tools: what Langfuse, LangSmith, Phoenix and OpenTelemetry call traces and scores, as our records.

A foreign record travels: `files.py` or a client of `clients/` -> the tool's module (`langfuse`, `langsmith`, `phoenix`,
`otel`: its field names) -> `traces.py` (a trace is one interaction) and `scores.py` (a score is feedback or an
evaluation) -> `mapped.py` (lines, or why not) -> `running.py` (batches, cursor) -> `intake/storing.py`. `tables.py` and
`warehouse.py` map rows by a mapping of the user's own; `policy.py` has the settings of a source.

Belongs here: mapping. Does not belong here: requests (`clients/`) and what a record must look like (`contract.py`).
"""
