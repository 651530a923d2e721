"""Trains a small U-Net in PyTorch as scripts/torch-training.ts asks for; called by that.

    python torch-training.py new FOLDER      writes FOLDER/start.safetensors, the weights of a fresh network
    python torch-training.py train FOLDER    trains it as FOLDER/training.json says, prints the losses as JSON

The pixels of all samples are in FOLDER/batch.json: every step sees all of them.
"""

import json
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn


def double_conv(a, b, act):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), act(), nn.Conv2d(b, b, 3, padding=1), act())


class UNet(nn.Module):
    """Two levels below the image; up-convolutions, whose weights are [in, out, rows, columns]."""

    def __init__(self, act):
        super().__init__()
        self.inc = double_conv(3, 8, act)
        self.down1 = double_conv(8, 16, act)
        self.bottom = double_conv(16, 32, act)
        self.up1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.dec1 = double_conv(32, 16, act)
        self.up0 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.dec0 = double_conv(16, 8, act)
        self.outc = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.inc(x)
        b = self.down1(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        b = self.dec1(torch.cat([b, self.up1(c)], 1))
        return self.outc(self.dec0(torch.cat([a, self.up0(b)], 1)))


OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def curve(optimizer, kind, steps, warm_up, every):
    """A schedule of PyTorch, linear warm-up first."""
    main = {
        "constant": lambda: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1),
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - warm_up),
        "step": lambda: torch.optim.lr_scheduler.StepLR(optimizer, every, gamma=0.1),
    }
    if warm_up == 0:
        return main[kind]()
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warm_up, 1, total_iters=warm_up - 1)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, main[kind]()], [warm_up])


def train(folder):
    with open(f"{folder}/training.json") as file:
        told = json.load(file)
    with open(f"{folder}/batch.json") as file:
        batch = json.load(file)
    images = torch.tensor(batch["images"], dtype=torch.float32).reshape(batch["dims"]) / 255
    labels = torch.tensor(batch["labels"]).reshape(batch["dims"][0], *batch["dims"][2:])
    model = UNet(nn.SiLU if told["activation"] == "silu" else nn.ReLU)
    model.load_state_dict(load_file(f"{folder}/start.safetensors"))
    optimizer = OPTIMIZERS[told["optimizer"]](model.parameters(), lr=told["rate"], **told["arguments"])
    schedule = curve(optimizer, told["curve"], told["steps"], told["warmUp"], told["every"])
    losses = []
    for _ in range(told["steps"]):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        if told["clip"] is not None:
            nn.utils.clip_grad_norm_(model.parameters(), told["clip"])
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    print(json.dumps(losses))


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, folder = sys.argv[1:]
    if what == "new":
        torch.manual_seed(1)
        save_file(UNet(nn.ReLU).state_dict(), f"{folder}/start.safetensors")
    else:
        train(folder)
