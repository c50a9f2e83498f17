"""The rules: readings in, findings out. Pure functions of plain values; nothing here trains or measures."""
