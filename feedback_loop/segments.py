"""Segments: in which versions, cohorts, models and documents a pattern is more frequent than chance would have it.

Belongs here: over-representation with tests corrected for multiplicity, and contradictory feedback. Does not belong
here: counting in SQL (`store/segments.py`).

In the loop: cluster -> **segments** -> prioritise.
"""
