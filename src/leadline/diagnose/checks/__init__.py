"""Checks: what can be measured of a training without training on: pure functions over live objects that fill the readings."""
