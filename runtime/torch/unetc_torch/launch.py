"""Where this process stands among the others, as its launcher says in the environment."""

import datetime
import os

import torch.distributed as dist

from .errors import Refusal

#: Set by launchers that start a run again after a failure: it then goes on, whatever it was told.
RESTARTS = ["TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"]


def restarts():
    return max(int(os.environ.get(name) or 0) for name in RESTARTS)


def number(name):
    return int(os.environ[name])


def join(needed, timeout):
    """Joins the others with Gloo, if there are any; refuses a world that is not the plan's. The rank."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world != needed:
        raise Refusal(f"the plan is for {needed} devices, but {world} processes were started")
    if world == 1:
        return 0
    options = {} if _has_own_store() else {"store": _shared_store(timeout)}
    dist.init_process_group(
        "gloo", rank=number("RANK"), world_size=world, timeout=datetime.timedelta(seconds=timeout), **options
    )
    return number("RANK")


def _has_own_store():
    """torchrun of one node keeps its store over restarts, and with it the addresses of processes that are gone."""
    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return not agent or os.environ.get("LOCAL_WORLD_SIZE") != os.environ.get("WORLD_SIZE")


def _shared_store(timeout):
    seconds = datetime.timedelta(seconds=timeout)
    store = dist.TCPStore(os.environ["MASTER_ADDR"], number("MASTER_PORT"), is_master=False, timeout=seconds)
    return dist.PrefixStore(f"unetc/{restarts()}", store)
