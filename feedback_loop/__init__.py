"""Closes the feedback loop of LLM applications in production.

The loop, in the order an event travels it:

    intake/      facts come in: interactions and the feedback on them (JSON Lines)      -> store/facts.py
    extract      which interactions of a week count as negative, against which exposures
    describe     what went wrong in each, apart from what it was about                  -> llm/, clients/anthropic.py
    cluster      known failure patterns first, the rest grouped into new ones           -> clients/embeddings.py
    naming       a card for each new pattern: the analyst's words, or those of rules
    segments     versions, cohorts, models and documents in which a pattern is more frequent
    prioritise   frequency x severity
    route/       each pattern to the right fix, as a ticket                             -> clients/trackers.py
    deployed     when people shipped the fix, read from the ticket where nobody recorded it
    verify       seen after the deployed fix against expected without it: did the rate fall?
    metrics      weekly tables

What people decide about patterns (`decisions.py`) outranks rules and models in every later week.

`defs/assets.py` wires these stages in that order as Dagster assets and is the map. `records.py` holds the nouns,
`tracker.py` those of tickets, `errors.py` every error, `store/` all SQL, `config.py` the policies, `cli.py` the
command.

Nothing heavy is imported here.
"""

__version__ = "0.1.0"
