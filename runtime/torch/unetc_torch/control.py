"""What ranks agree on between steps, apart from the messages of the plan: over CPUs, whatever carries those.

`patient` waits are for what only one rank does while the others wait, such as writing a file. They last longer than any
other, as long as all ranks give signs of life.
"""

import datetime
import functools

import torch
import torch.distributed as dist

from .errors import RunFailed
from .pulse import Pulse

#: How much longer a patient wait may last than any other.
PATIENCE = 10


class LocalControl:
    """Of a world of one."""

    rank = 0

    def sum(self, numbers, patient=False):
        return list(numbers)

    def broadcast(self, array):
        return array

    def collect(self, array, source):
        return array

    def end(self):
        pass


def _named(meet):
    """A meeting that fails says whose it was."""

    @functools.wraps(meet)
    def named(self, *operands, **options):
        try:
            return meet(self, *operands, **options)
        except RuntimeError as error:
            raise RunFailed(f"rank {self.rank}, between two steps, {meet.__name__}: {error}") from error

    return named


class DistributedControl:
    def __init__(self, timeout, store, fail):
        """`store` is where the ranks met; `fail` ends the process with an error."""
        self.rank = dist.get_rank()
        self.pulse = Pulse(store, self.rank, dist.get_world_size(), timeout, fail)
        seconds = datetime.timedelta(seconds=timeout)
        self.prompt = dist.new_group(backend="gloo", timeout=seconds)
        self.patient = dist.new_group(backend="gloo", timeout=PATIENCE * seconds)

    @_named
    def sum(self, numbers, patient=False):
        """The sum over all ranks of each number."""
        total = torch.tensor(numbers, dtype=torch.float64)
        if patient:
            with self.pulse.watching("sum"):
                dist.all_reduce(total, group=self.patient)
        else:
            dist.all_reduce(total, group=self.prompt)
        return total.tolist()

    @_named
    def broadcast(self, array):
        """Rank 0's NumPy array; the others give one of its shape and type."""
        tensor = torch.from_numpy(array.copy())
        with self.pulse.watching("broadcast"):
            dist.broadcast(tensor, 0, group=self.patient)
        return tensor.numpy()

    @_named
    def collect(self, array, source):
        """The array of rank `source`, on rank 0; the others have none of it."""
        if source == 0:
            return array
        with self.pulse.watching("collect"):
            if self.rank == source:
                dist.send(torch.from_numpy(array.copy()), 0, group=self.patient)
            elif self.rank == 0:
                tensor = torch.from_numpy(array.copy())
                dist.recv(tensor, source, group=self.patient)
                return tensor.numpy()
        return array

    def end(self):
        dist.destroy_process_group()
