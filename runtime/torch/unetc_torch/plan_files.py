"""A plan in files (`ir/plan-files.ts`): `plan.json`, and a program for each role, which is read when it is asked for."""

import functools
import json

PLAN = "plan.json"
#: Where the programs lie.
ROLES = "roles/"


class Role(dict):
    """What others have to know of it; and its buffers, instructions and segments once one of these is asked for."""

    def __init__(self, head, program_of):
        super().__init__(head)
        self._program_of = program_of

    def __missing__(self, key):
        program = self._program_of(self["name"])
        self.update(program)
        return program[key]


def _differing(one, difference):
    """`one` but for the difference: `[x]` is x in its place, a record the entries that differ. It shares the rest."""
    if isinstance(difference, list):
        return difference[0]
    made = one.copy()
    for key, entry in difference.items():
        place = int(key) if isinstance(one, list) else key
        made[place] = _differing(one[place], entry)
    return made


def plan_in_files(read):
    """`read` gives the bytes of a file."""

    @functools.lru_cache(maxsize=None)
    def program_of(name):
        program = json.loads(read(f"{ROLES}{name}.json"))
        return _differing(program_of(program["like"]), program["but"]) if "like" in program else program

    plan = json.loads(read(PLAN))
    return {**plan, "roles": [Role(head, program_of) for head in plan["roles"]]}
