"""Trees in brackets with a label on each node."""
