"""Series of numbers: arrays, wide csv and `.ts` files, tables by group."""
