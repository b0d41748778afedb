"""Other people's services behind our seams: SDK in, records out, SDK errors mapped to `errors.py`."""
