"""Streams of tokens for language models."""
