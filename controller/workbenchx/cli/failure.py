"""How a command ends badly: one line of what is wrong, one of the way out, and an exit code. Imports nothing of ours."""


class Failure(Exception):
    """A command cannot do what was asked. `hint` is the way out; `code` the exit code."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
