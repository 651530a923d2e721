"""What the program does, from its arguments to its exit code.

One process for a plan of one device; else as many processes as the plan has devices, started by a launcher.
"""

import argparse
import os
import sys
import traceback

import numpy as np
import torch

from .bundle import open_bundle
from .communicator import DistributedCommunicator
from .control import DistributedControl, LocalControl
from .device import DTYPES, Device
from .errors import EndedElsewhere, Refusal, RunFailed
from .feeds import Feeds
from .launch import join, place, restarts
from .local import LocalCommunicator, LocalPost
from .memory import cap, keep_memory, with_libraries, without_gaps
from .profile import Profile
from .ranks import rank_count, role_of, seat_of
from .states import fitting
from .tensors import TensorError, read_tensors
from .training import Training
from .validation import Validation, open_scenes
from .windows import Windows


def count(text):
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number")
    return int(text)


def positive(text):
    if count(text) == 0:
        raise argparse.ArgumentTypeError("it has to be at least 1")
    return int(text)


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
    parser.add_argument("--validation", help="part of the data that is scored between steps; the best weights are kept")
    parser.add_argument("--validate-every", type=positive, default=50, help="steps between two scores")
    parser.add_argument("--init", help="first weights, safetensors; else those the seed gives")
    parser.add_argument("--steps", type=count, help="steps in all (default: what the model says)")
    parser.add_argument("--checkpoint", help="folder for checkpoints; rank 0 reads and writes it")
    parser.add_argument("--checkpoint-every", type=positive, default=50, help="steps between two checkpoints")
    parser.add_argument("--keep", type=positive, default=3, help="how many checkpoints are kept")
    parser.add_argument("--resume", action="store_true", help="go on from the newest valid checkpoint")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="f32")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="what computes")
    parser.add_argument(
        "--any-order", action="store_true",
        help="a GPU may add up in any order: faster, and two runs differ in their last bits",
    )
    parser.add_argument(
        "--memory", type=positive, help="bytes that PyTorch may take of a GPU (default: in the first step 5 %% or 256 MiB more than planned)"
    )
    parser.add_argument("--profile", help="file for time lines of the last steps; of several ranks out.RANK.ending")
    parser.add_argument("--timeout", type=float, default=60, help="seconds that any wait for another rank may last")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--dump", help="npz file for losses, gradients and states; of several ranks out.RANK.npz")
    return parser.parse_args()


def connect(plan, here, where, timeout):
    """What this process gives tensors, and what it agrees with."""
    if here.world == 1:
        return LocalCommunicator(plan, seat_of(plan, 0), 0, LocalPost(timeout)), LocalControl()
    seat = seat_of(plan, here.rank)
    try:
        store = join(here, where, timeout)
        communicator = DistributedCommunicator(plan, seat, timeout, torch.device(where))
        return communicator, DistributedControl(timeout, store, _fail)
    except RuntimeError as error:
        raise RunFailed(f"rank {here.rank}, before the first step, joining the others: {error}") from error


def device_of(name, here, any_order):
    """`cpu`, or one of the GPUs of this node; a launcher may show each process only its own."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise Refusal("--device cuda: this PyTorch sees no GPU here")
    without_gaps()
    # Rounding as the plan means it, and the same in every run if that is wanted.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = not any_order
    where = f"cuda:{here.local % torch.cuda.device_count()}"
    torch.cuda.set_device(where)
    return where


def planned(plan, rank, dtype):
    """Bytes of a device at its peak; plans count numbers of four bytes."""
    return role_of(plan, seat_of(plan, rank))["peakBytes"] * DTYPES[dtype].itemsize // DTYPES["f32"].itemsize


def results(device, losses):
    return {
        "loss": np.array(losses, dtype=np.float64),
        **{f"gradient/{name}": value.cpu().numpy() for name, value in device.gradients.items()},
        **{f"confusion/{name}": value.cpu().numpy() for name, value in device.confusion.items()},
        **{
            f"state/{one['buffer']}": device.read(one["buffer"]).cpu().numpy()
            for one in device.plan["states"]
            if one["buffer"] in device.buffers
        },
    }


def own_path(path, here):
    stem, ending = os.path.splitext(path)
    return path if here.world == 1 else f"{stem}.{here.rank}{ending}"


def first_weights(file, plan):
    if file is None:
        return None
    shapes = {one["name"]: one["dims"] for one in plan["model"]["parameters"]}
    weights = [one for one in plan["states"] if one["slot"] == "weight"]
    try:
        return fitting(weights, shapes, read_tensors(file), file)
    except TensorError as error:
        raise Refusal(str(error)) from None


def scenes_of(given, bundle):
    """What `--validation` scores, if it is asked for."""
    if given.validation is None:
        return None
    if given.feeds:
        raise Refusal("--validation needs --data: feeds have no splits")
    return open_scenes(given.bundle, bundle, given.data, given.validation)


def train(given):
    torch.set_num_threads(given.threads)
    bundle = open_bundle(given.bundle)
    plan = bundle.plan
    scenes = scenes_of(given, bundle)
    feeds = Feeds(given.feeds, plan["model"]) if given.feeds else Windows(given.data, plan["model"], given.split)
    weights = first_weights(given.init, plan)
    here = place(rank_count(plan))
    where = device_of(given.device, here, given.any_order)
    if where == "cpu":
        keep_memory()
    communicator, control = connect(plan, here, where, given.timeout)
    device = Device(plan, bundle.origins, here.rank, communicator, feeds, given.dtype, weights, where)
    device.keeps_gradients = given.dump is not None
    if where != "cpu" and given.memory:
        cap.set(given.memory)
    elif where != "cpu":
        cap.set(with_libraries(planned(plan, here.rank, given.dtype)), "first step")
    if given.profile:
        goes_on = given.resume or restarts() > 0
        device.profile = Profile(own_path(given.profile, here), device, bundle.plan_hash, goes_on)
    validation = scenes and Validation(scenes, given.validation, given.validate_every, device, control)
    training = Training(device, control, bundle, given, validation)
    try:
        training.run()
    finally:
        device.profile.write()
    if given.dump:
        np.savez(own_path(given.dump, here), **results(device, training.losses))
    control.end()


def main(bundle=None):
    """Carries out `bundle`, or the one that the arguments name."""
    try:
        train(arguments(bundle))
    except (Refusal, RunFailed) as error:
        _fail(error)
    except Exception:
        traceback.print_exc()
        _leave(70)


def _fail(error):
    if not isinstance(error, EndedElsewhere):
        print(f"unetc_torch: {error}", file=sys.stderr)
    _leave(error.exit)


def _leave(code):
    """At once: peers that wait for this rank end by their own timeouts, and nothing here waits for them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
