"""The people whose hours are recognized: under which NIP, and whose an actor of statements is."""
