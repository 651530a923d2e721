"""What is computed otherwise on a GPU, on the CPU and in float64: it has to give what the library's own ways give.

Prints how many cases were compared; ends with 1 where one differs.
"""

import itertools
import sys

import torch

from unetc_torch import instructions
from unetc_torch.ops import convolutions

torch.manual_seed(7)
torch.set_num_threads(1)
#: In the last a band of rows may lie wholly beyond the map.
PADS = [[1, 1], [1, 0], [0, 1], [2, 0], [-1, 1], [0, -2], [3, 2], [7, 8]]


def same(found, right, what):
    if found.shape != right.shape or not torch.allclose(found, right, rtol=1e-12, atol=1e-12):
        sys.exit(f"{what}: {list(found.shape)} instead of {list(right.shape)}, or other numbers")


def padded(x, pad):
    return torch.nn.functional.pad(x, [side for pair in reversed(pad) for side in pair])


def check_convolution(pad, stride, dilation, groups):
    """Of maps with as many axes as there are pads; kernels of 3, 2 and 1 cells along them."""
    rank = len(pad)
    conv = [torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d][rank - 1]
    a = {"pad": pad, "stride": [stride, 1, 1][:rank], "dilation": [dilation, 1, 1][:rank], "groups": groups}
    x = torch.randn(2, 4, *[11, 9, 4][:rank], dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4 // groups, *[3, 2, 1][:rank], dtype=torch.float64, requires_grad=True)
    y = conv(padded(x, pad), weight, None, a["stride"], 0, a["dilation"], groups)
    dy = torch.randn_like(y)
    dx, dw = torch.autograd.grad(y, [x, weight], dy)
    x, weight, out = x.detach(), weight.detach(), list(y.shape)
    what = f"pad {pad}, stride {stride}, dilation {dilation}, groups {groups}"
    same(convolutions.conv(a, [x, weight], out), y.detach(), f"conv, {what}")
    same(convolutions._data(a, [dy, weight], list(x.shape)), dx, f"data by the library, {what}")
    turned = convolutions._turned(a, weight)
    if turned is not None:
        same(convolutions.conv(turned[0], [dy, turned[1]], list(x.shape)), dx, f"data by a convolution, {what}")
    same(convolutions._weight(a, x, dy, pad, list(weight.shape)), dw, f"weights, {what}")
    for at_once in (2**26, 6000, 1):
        convolutions.AT_ONCE = at_once
        same(convolutions._in_bands(a, x, dy, pad, list(weight.shape)), dw, f"weights, {at_once} bytes a band, {what}")


cases = [
    (list(pad), *how)
    for rank in (1, 2, 3)
    for pad in itertools.product(PADS, *[PADS[:2] if axis else PADS for axis in range(rank - 1)])
    for how in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 2)]
]
for case in cases:
    check_convolution(*case)
places = torch.randint(0, 257, (100_000,))
for compared in (2**24, 1000):
    instructions.COMPARED = compared
    same(instructions.compared(places, 257), torch.bincount(places, minlength=257), "numbers by comparing")
same(instructions.scattered(places, 257), torch.bincount(places, minlength=257), "numbers by scattering")
print(len(cases))
