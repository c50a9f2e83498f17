"""The gallery of docs/gallery.md: each module measures with Leadline's own parts, draws what it measured, and says it.

A section is a module with three functions: `measure()` gives numbers that JSON can hold, `draw(numbers, folder)` makes pictures
of them, and `tell(numbers)` writes the section. Page and pictures depend on nothing but the numbers.
"""
