"""What is computed otherwise on a GPU, on the CPU and in float64: it has to give what the library's own ways give.

Prints how many cases were compared; ends with 1 where one differs.
"""

import itertools
import sys

import torch

from unetc_torch import instructions
from unetc_torch.ops import convolutions

torch.manual_seed(7)
PADS = [[1, 1], [1, 0], [0, 1], [2, 0], [-1, 1], [0, -2], [3, 2]]


def same(found, right, what):
    if found.shape != right.shape or not torch.allclose(found, right, rtol=1e-12, atol=1e-12):
        sys.exit(f"{what}: {list(found.shape)} instead of {list(right.shape)}, or other numbers")


def padded(x, pad):
    return torch.nn.functional.pad(x, [side for pair in reversed(pad) for side in pair])


def check_convolution(rows, columns, stride, dilation, groups):
    pad, ones = [rows, columns], [1, 1]
    a = {"pad": pad, "stride": [stride, 1], "dilation": [dilation, 1], "groups": groups}
    x = torch.randn(2, 4, 11, 9, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4 // groups, 3, 2, dtype=torch.float64, requires_grad=True)
    y = torch.nn.functional.conv2d(padded(x, pad), weight, None, a["stride"], 0, a["dilation"], groups)
    dy = torch.randn_like(y)
    dx, dw = torch.autograd.grad(y, [x, weight], dy)
    x, weight, out = x.detach(), weight.detach(), list(y.shape)
    what = f"pad {pad}, stride {stride}, dilation {dilation}, groups {groups}"
    same(convolutions.conv(a, [x, weight], out), y.detach(), f"conv, {what}")
    same(convolutions._data(a, [dy, weight], list(x.shape)), dx, f"data by the library, {what}")
    turned = convolutions._turned(a, weight)
    if turned is not None:
        same(convolutions.conv(turned[0], [dy, turned[1]], list(x.shape)), dx, f"data by a convolution, {what}")
    for convolutions.AT_ONCE in (2**26, 2000):
        for kind in ("_in_bands", "_weight"):
            find = getattr(convolutions, kind)
            same(find(a, x, dy, pad, list(weight.shape)), dw, f"weights {kind}, {what}")


cases = [
    (rows, columns, stride, dilation, groups)
    for rows, columns in itertools.product(PADS, PADS)
    for stride, dilation, groups in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 2)]
]
for case in cases:
    check_convolution(*case)
places = torch.randint(0, 257, (100_000,))
for instructions.COMPARED in (2**24, 1000):
    same(instructions.compared(places, 257), torch.bincount(places, minlength=257), "numbers by comparing")
same(instructions.scattered(places, 257), torch.bincount(places, minlength=257), "numbers by scattering")
print(len(cases))
