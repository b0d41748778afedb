"""What brings facts in: `importing.import_paths` from files, `service/` over HTTP, `deployments` one at a time.

A line travels: `reading` -> `contract` (rules; `reasons` words what is wrong) -> `rows` (ids, redaction, hashes) ->
`store/facts.py`; what is not taken goes through `rejected`. `direct` is the sink
of `capture/` that writes here at once.
"""
