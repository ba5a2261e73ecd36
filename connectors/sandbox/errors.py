"""What the sandbox refuses, in words for the person who can mend it."""


class SandboxError(Exception):
    """The sandbox could not do what was asked; the message says what to change."""


class LaunchError(SandboxError):
    """A login or a launch was refused; ``check`` names which check did it."""

    def __init__(self, check: str, why: str) -> None:
        super().__init__(why)
        self.check = check
