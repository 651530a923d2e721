"""The same training steps in PyTorch, hand-written: a U-Net of double convs, Adam, cross-entropy.

Reads lines `CHANNELS WIDTH POOLINGS SIDE BATCH THREADS` (builds a network, prints `ready`) and `run N`
(prints the seconds of each of N steps). Contiguous tensors in memory, nothing loaded.
"""
import sys
import time

import torch
from torch import nn


def double_conv(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, channels, width, poolings):
        super().__init__()
        widths = [width * 2**level for level in range(poolings + 1)]
        self.encode = nn.ModuleList(double_conv(a, b) for a, b in zip([channels, *widths], widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[:-1])
        self.decode = nn.ModuleList(double_conv(2 * w, w) for w in widths[:-1])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.encode):
            x = block(x if level == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.decode[level](torch.cat([skips[level], self.up[level](x)], 1))
        return self.head(x)


def trainer(channels, width, poolings, side, batch, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    network = UNet(channels, width, poolings)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    image = torch.randint(0, 256, (batch, channels, side, side)).float()
    labels = torch.randint(0, 2, (batch, side, side))

    def step():
        began = time.perf_counter()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(image / 255), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        return time.perf_counter() - began

    return step


step = None
for line in sys.stdin:
    words = line.split()
    if words[0] == "run":
        print(*(f"{step():.6f}" for _ in range(int(words[1]))), flush=True)
    else:
        step = trainer(*map(int, words))
        print("ready", torch.__version__, flush=True)
