"""Errors of jobs in child processes. Callers of the API never see them as they are."""


class JobRefused(Exception):
    """A handler refused its job. The child process is healthy and goes on with the next job.

    A handler raises it in the child; the pool raises it again in the server.
    """

    def __init__(self, code: str, reason: str = "") -> None:
        self.code = code
        """Short and fixed, chosen by the handler. The pool itself refuses with `memory`: the job
        wanted more memory than any job may have."""
        self.reason = reason
        """Details for the operator's log. It may quote the file, so no caller reads it."""
        super().__init__(f"{code}: {reason}")


class ChildTimeout(Exception):
    """The work took longer than its time limit. The child process has been killed."""


class ChildDied(Exception):
    """The child process ended during the job or sent an invalid message. It has been killed."""

    def __init__(self, reason: str, *, may_retry: bool = False) -> None:
        super().__init__(reason)
        self.may_retry = may_retry
        """Whether the pool may try the job once more: the process ended, which something outside
        may have caused. Invalid messages and bugs of a handler would only happen again."""


class PoolBusy(Exception):
    """The deadline passed before the work was done, mostly while waiting for a child or memory."""


class NoTimeToRetry(PoolBusy):
    """The job's child died, and the job could not be tried again before the deadline."""


class NotForExpressChild(Exception):
    """The job needs more memory or time than the express child gives.

    The pool runs the job in an ordinary child instead. This child is healthy.
    """


class OutgrewExpressChild(NotForExpressChild):
    """The job took far more processor time than foreseen (see express.py).

    The child is healthy where the job could be interrupted, and has been killed otherwise.
    """

    def __init__(self, *, has_killed: bool) -> None:
        super().__init__()
        self.has_killed = has_killed
