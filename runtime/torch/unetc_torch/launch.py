"""Where this process stands among the others, as its launcher says in the environment."""

import datetime
import ipaddress
import os
import re
from typing import NamedTuple, Optional

from .addresses import choose_network, listening, own_address
from .errors import Refusal

#: Set by launchers that start a run again after a failure: it then goes on, whatever it was told.
RESTARTS = ["TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"]


class Rule(NamedTuple):
    """Variables of a launcher: those of one that started this process are all there."""

    launcher: str
    rank: str
    #: None: this launcher does not say, and the plan's size is taken.
    size: Optional[str]
    local: str


RULES = [
    Rule("torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
    # Not SLURM_NTASKS: a batch script has that, too, and is no rank.
    Rule("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    Rule("jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_LOCAL_RANK"),
    Rule("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    Rule("a PMIx server", "PMIX_RANK", None, "PMIX_RANK"),
]


class Place(NamedTuple):
    launcher: Optional[str]
    rank: int
    world: int
    #: Among the processes of this node.
    local: int


def restarts():
    return max(_number(name, "0") for name in RESTARTS)


def _number(name, default=None):
    text = os.environ.get(name) or default
    if text is None:
        raise Refusal(f"{name} is not set: see the job scripts of `unetc run --launcher`")
    if not text.isdigit():
        raise Refusal(f"{name} is {text!r}, no number")
    return int(text)


def place(needed):
    """Refuses a world that is not of the plan's size."""
    rule = next((one for one in RULES if all(name in os.environ for name in one[1:] if name)), None)
    if rule is None:
        found = Place(None, 0, 1, 0)
    else:
        world = _number(rule.size) if rule.size else needed
        found = Place(rule.launcher, _number(rule.rank), world, _number(rule.local))
    if found.world != needed:
        how = f"{found.launcher} started {found.world}" if found.launcher else "1 was started, without a launcher"
        raise Refusal(f"the plan is for {needed} processes, one a device, but {how}")
    if found.rank >= found.world:
        raise Refusal(f"{rule.rank} is {found.rank}, and there are {found.world} processes")
    return found


def head_address():
    """Host and port at which the processes meet."""
    host = os.environ.get("MASTER_ADDR") or _first_host(os.environ.get("SLURM_STEP_NODELIST", ""))
    if not host:
        raise Refusal("MASTER_ADDR is not set: the node of rank 0, as the job scripts of `unetc run --launcher` set it")
    if "MASTER_PORT" in os.environ or "SLURM_JOB_ID" not in os.environ:
        return host, _number("MASTER_PORT")
    return host, 20000 + _number("SLURM_JOB_ID") % 20000


def _first_host(nodes):
    """Of a list as Slurm writes it: `a[03-05,7],b` begins with `a03`."""
    found = re.match(r"([^,\[]*)(?:\[([^,\-\]]*)[^\]]*\])?([^,]*)", nodes)
    return "".join(part or "" for part in found.groups())


#: How many processes this node has, where a launcher says so.
NODE_SIZES = ["LOCAL_WORLD_SIZE", "JSM_NAMESPACE_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"]


def _spans_nodes(world):
    here = next((name for name in NODE_SIZES if name in os.environ), None)
    if here is not None:
        return _number(here) < world
    return _number("SLURM_STEP_NUM_NODES", "1") > 1


def check_head(host, port, world):
    """Names of nodes often mean a loopback address on the node itself, where no other node could meet it."""
    address = own_address(host, port)
    if _spans_nodes(world) and ipaddress.ip_address(address.split("%")[0]).is_loopback:
        raise Refusal(
            f"MASTER_ADDR {host} is {address} on this node, where other nodes do not reach it: give the address of "
            "a network, or correct /etc/hosts"
        )


def _store(host, port, world, wait, is_head):
    """The meeting place; who is the head has it."""
    import torch.distributed as dist

    if not is_head:
        return dist.TCPStore(host, port, world, is_master=False, timeout=wait)
    server = listening(host, port)
    # The store closes the socket.
    return dist.TCPStore(host, port, world, is_master=True, timeout=wait, master_listen_fd=server.detach())


def join(here, where, timeout):
    """Joins the others: with Gloo between CPUs, NCCL between GPUs. Gives the store by which they met."""
    import torch.distributed as dist

    wait = datetime.timedelta(seconds=timeout)
    host, port = head_address()
    check_head(host, port, here.world)
    choose_network(host, port)
    # Agents of torchrun have the store; else rank 0 has it.
    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = _store(host, port, here.world, wait, not agent and here.rank == 0)
    if agent and os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE"):
        # On one node torchrun keeps its store over restarts, and with it the addresses of processes that are gone.
        store = dist.PrefixStore(f"unetc/{restarts()}", store)
    backend = "gloo" if where == "cpu" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, store=store, rank=here.rank, world_size=here.world, timeout=wait)
    return store
