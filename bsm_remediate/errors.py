"""The one family of exceptions.

An expected "no" is a `Decision`, a failed host is a run's outcome; exceptions are for what could not be carried out.
Each knows its exit code (DESIGN 6) and what to do about it; the docstring is the default message.
"""

from __future__ import annotations

from typing import ClassVar


class RemediationError(Exception):
    """Something could not be carried out."""

    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        message = str(self.args[0])
        return f"{message} ({self.hint})" if self.hint else message


class WrongUsage(RemediationError):
    """The command was called in a way that makes no sense."""

    exit_code = 2


class InvalidBundle(RemediationError):
    """The policy bundle has errors."""

    exit_code = 2
    hint = "run `bsm-remediate check` to see all of them"


class InvalidExpression(RemediationError):
    """An expression, matcher, formula, duration or number cannot be read."""

    exit_code = 2


class InventoryUnreadable(RemediationError):
    """The Ansible inventory cannot be read."""

    exit_code = 2


class UnknownId(RemediationError):
    """There is nothing of that name."""

    exit_code = 2


class MalformedAlerts(RemediationError):
    """A body that should hold alerts cannot be read as such.

    `field` is the JSON pointer of the offending member, "" for the body as a whole.
    """

    exit_code = 2

    def __init__(self, message: str, *, field: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class NotReachable(RemediationError):
    """The server, the database or a backend cannot be reached."""

    exit_code = 3


class StoreUnavailable(NotReachable):
    """The store cannot be written or read at the moment."""

    hint = "check `--database`, the free space of its disk and whether another process holds it"


class SourceUnreachable(NotReachable):
    """A source of alerts does not answer as it should."""

    hint = "check its address under `[sources]`, and `bsm-remediate doctor`"


class QueryRefused(SourceUnreachable):
    """A source answers, and says that it can't make sense of what it was asked."""

    hint = "try the query in the page of that Prometheus"


class NoLiveEngine(NotReachable):
    """No engine is running on this database."""

    hint = "start one with `bsm-remediate serve`"


class RunNotRecorded(NotReachable):
    """The run was not started, because it could not be written to the store first."""


class ChangeNotRecorded(NotReachable):
    """The planned change was not moved on, because somebody else has done so meanwhile."""


class PlanOutdated(RemediationError):
    """The plan no longer fits the bundle or the time."""

    exit_code = 5
