"""The hub shown at work: fictional people and courses, the sandbox LMS, and the main job done unattended.

``wkmb demo --serve`` (``make run``) leaves it running for people to try; ``wkmb demo`` (``make demo``) plays an
employee and an auditor itself. Nothing here is part of the hub: it uses commands, pages and the API like anybody.
"""
