"""Errors of jobs in child processes. None of them reaches a caller as it is."""


class JobRefused(Exception):
    """The handler said no. `code` is its own; `detail` is fit for a caller, `reason` for the log.

    The code `memory` is ours: the job wanted more than it may ever have.
    """

    def __init__(self, code: str, detail: str, reason: str = "") -> None:
        self.code = code
        self.detail = detail
        self.reason = reason
        super().__init__(f"{code}: {reason or detail}")


class ChildTimeout(Exception):
    """The work itself took longer than it may. The child has been killed."""


class ChildDied(Exception):
    """The child ended in the middle of the job, or made no sense. It has been killed."""


class PoolBusy(Exception):
    """The deadline passed before the work was done: no child or no memory was free in time."""


class NotExpress(Exception):
    """The job wants more than an express child gives, memory or time; it can be used again."""
