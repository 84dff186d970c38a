"""Operators in plain NumPy: what each one means, with every width and rounding in the docstring."""
