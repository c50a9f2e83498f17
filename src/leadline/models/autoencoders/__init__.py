"""Autoencoders: plain, denoising, sparse, convolutional, variational, and for tables; how they learn, and what they say."""
