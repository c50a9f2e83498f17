"""Words of a corpus, and the vectors that they have."""
