"""The same training steps in PyTorch, hand-written: a U-Net of double convs with Adam, and one of residual blocks
with batch norms and SGD; cross-entropy.

Reads lines `NETWORK CHANNELS WIDTH POOLINGS SIDE BATCH THREADS` (builds a network, prints `ready`), `run N`
(prints the seconds of each of N steps) and `profile N`. Contiguous tensors in memory, nothing loaded.
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


def norm_conv(inputs, outputs, kernel, stride):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.find = nn.Sequential(
            norm_conv(inputs, outputs, 3, stride), nn.ReLU(inplace=True), norm_conv(outputs, outputs, 3, 1)
        )
        self.bring = norm_conv(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu_(self.find(x) + self.bring(x))


class ResidualUNet(nn.Module):
    def __init__(self, channels, width, poolings):
        super().__init__()
        widths = [width * 2**level for level in range(poolings + 1)]
        self.encode = nn.ModuleList(Residual(c, w, 1) for c, w in zip([channels, *widths[1:]], widths))
        self.down = nn.ModuleList(Residual(w, 2 * w, 2) for w in widths[:-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[:-1])
        self.decode = nn.ModuleList(Residual(2 * w, w, 1) for w in widths[:-1])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.encode):
            x = block(x)
            skips.append(x)
            if level < len(self.down):
                x = self.down[level](x)
        for level in reversed(range(len(self.up))):
            x = self.decode[level](torch.cat([skips[level], self.up[level](x)], 1))
        return self.head(x)


def unet(*sizes):
    network = UNet(*sizes)
    return network, torch.optim.Adam(network.parameters(), 1e-3)


def residual(*sizes):
    network = ResidualUNet(*sizes)
    return network, torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)


networks = {"unet": unet, "residual": residual}


def trainer(name, channels, width, poolings, side, batch, threads, where="cpu"):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    network, optimizer = networks[name](channels, width, poolings)
    network.to(where)
    image = torch.randint(0, 256, (batch, channels, side, side)).float().to(where)
    labels = torch.randint(0, 2, (batch, side, side)).to(where)

    def step():
        began = time.perf_counter()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(image / 255), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        return time.perf_counter() - began

    return step


def profiled(step, steps):
    """`NAME:MILLISECONDS` of each kind of op, what it calls not included: the least of some steps."""
    least = {}
    for _ in range(steps):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
            step()
        for row in seen.key_averages():
            least[row.key] = min(row.self_cpu_time_total / 1e3, least.get(row.key, float("inf")))
    return [f"{name.replace(' ', '')}:{ms:.3f}" for name, ms in least.items()]


def main():
    step = None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "run":
            print(*(f"{step():.6f}" for _ in range(int(words[1]))), flush=True)
        elif words[0] == "profile":
            print(*profiled(step, int(words[1])), flush=True)
        else:
            step = trainer(words[0], *map(int, words[1:]))
            print("ready", torch.__version__, flush=True)


if __name__ == "__main__":
    main()
