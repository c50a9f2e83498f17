"""Word vectors: word2vec with its compiled kernels, their tests, and networks that begin with them."""
