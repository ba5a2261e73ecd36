"""Statements on their way in, looked for, and on their way out; storing them is the work of `lrs`."""
