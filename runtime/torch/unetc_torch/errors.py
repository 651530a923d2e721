"""Why a run ends, for people; exit codes as those of `unetc`."""


class Refusal(Exception):
    """Something that was given is wrong."""

    exit = 1


class RunFailed(Exception):
    """The run could not go on."""

    exit = 3


class EndedElsewhere(RunFailed):
    """Another rank says why."""

    def __init__(self, code=3):
        super().__init__("another rank says why")
        self.exit = code
