"""Texts with classes or numbers: folders, tables and lists."""
