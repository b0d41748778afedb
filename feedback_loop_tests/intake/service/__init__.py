"""Tests of the ingest service and its widget."""
