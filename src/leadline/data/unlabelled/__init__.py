"""Inputs that are learned from by themselves: sources with or without labels, values from 0 to 1, and their answers."""
