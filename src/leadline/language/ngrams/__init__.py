"""N-gram models: counting, smoothing, asking, and their files."""
