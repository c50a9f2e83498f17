"""An answer for each step of a row: files of tagged words, tables by group, arrays."""
