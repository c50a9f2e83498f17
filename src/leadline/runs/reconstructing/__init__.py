"""Runs whose network tells its inputs again: how it is judged, what it answers, and what is drawn of it."""
