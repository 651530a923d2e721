"""What the program does, from its arguments to its exit code.

One process for a plan of one device; else as many processes as the plan has devices, started by a launcher.
"""

import argparse
import datetime
import json
import os
import sys

import numpy as np
import torch
import torch.distributed as dist

from .bundle import BundleError, open_bundle
from .communicator import DistributedCommunicator, LocalCommunicator, LocalPost
from .device import DTYPES, Device
from .feeds import FeedError, Feeds
from .interpreter import InstructionError, run_step
from .ranks import all_groups, rank_count
from .tensors import read_tensors
from .windows import Windows


def arguments(bundle):
    parser = argparse.ArgumentParser(prog="unetc_torch", description="Carries out a plan of unetc with PyTorch.")
    if bundle is None:
        parser.add_argument("bundle")
    else:
        parser.set_defaults(bundle=bundle)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", help="folder that `unetc stage` wrote: windows are drawn from its images")
    source.add_argument("--feeds", help="folder with INPUT.npy for each image and target: whole batches")
    parser.add_argument("--split", default="train", help="the part of the data to train on")
    parser.add_argument("--weights", help="weights to begin with, safetensors; else those the seed gives")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="f32")
    parser.add_argument("--timeout", type=float, default=60, help="seconds that any wait for another rank may last")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dump", help="npz file for losses, gradients and states; of several ranks out.RANK.npz")
    return parser.parse_args()


def connect(plan, timeout):
    """The communicator of this process; refuses a world that is not the plan's."""
    world, needed = int(os.environ.get("WORLD_SIZE", "1")), rank_count(plan)
    if world != needed:
        raise BundleError(f"the plan is for {needed} devices, but {world} processes were started")
    if world == 1:
        return LocalCommunicator(0, LocalPost(timeout))
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=timeout))
    return DistributedCommunicator(all_groups(plan), timeout)


def results(device, losses):
    return {
        "loss": np.array(losses, dtype=np.float64),
        **{f"gradient/{name}": value.numpy() for name, value in device.gradients.items()},
        **{f"confusion/{name}": value.numpy() for name, value in device.confusion.items()},
        **{
            f"state/{one['buffer']}": device.read(one["buffer"]).numpy()
            for one in device.plan["states"]
            if one["buffer"] in device.buffers
        },
    }


def dump_path(path, rank, world):
    stem, ending = os.path.splitext(path)
    return path if world == 1 else f"{stem}.{rank}{ending}"


def train(given):
    torch.set_num_threads(given.threads)
    plan, origins = open_bundle(given.bundle)
    feeds = Feeds(given.feeds, plan["model"]) if given.feeds else Windows(given.data, plan["model"], given.split)
    weights = read_tensors(given.weights) if given.weights else None
    communicator = connect(plan, given.timeout)
    device = Device(plan, origins, communicator.rank, communicator, feeds, given.dtype, weights)
    losses = []
    for step in range(given.steps):
        run_step(device, step)
        losses.append(float("nan") if device.loss is None else device.loss)
        if device.rank == 0:
            print(json.dumps({"step": step, "loss": device.loss}), flush=True)
    if given.dump:
        np.savez(dump_path(given.dump, device.rank, rank_count(plan)), **results(device, losses))
    if dist.is_initialized():
        dist.destroy_process_group()


def main(bundle=None):
    """Carries out `bundle`, or the one that the arguments name."""
    try:
        train(arguments(bundle))
    except (BundleError, FeedError, InstructionError) as error:
        print(f"unetc_torch: {error}", file=sys.stderr)
        # Peers that wait for this rank end by their own timeouts; nothing here waits for them.
        sys.stderr.flush()
        os._exit(1)
