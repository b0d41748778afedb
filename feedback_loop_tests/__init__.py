"""Tests mirror the tree of `feedback_loop`."""
