"""Why a run ends, for people; exit codes as those of `unetc`."""


class Refusal(Exception):
    """Something that was given is wrong."""

    exit = 1


class RunFailed(Exception):
    """The run could not go on."""

    exit = 3


class EndedElsewhere(RunFailed):
    """Another rank says why."""
