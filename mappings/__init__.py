"""From statements and a policy to recognitions: pure functions, no I/O, no clock."""
