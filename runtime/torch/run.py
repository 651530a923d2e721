"""Carries out the bundle in which this file lies: python BUNDLE/torch/run.py ..., or torchrun ... BUNDLE/torch/run.py ..."""

import gc
import os
import sys

# The files of a bundle are those of its manifest, and no others.
sys.dont_write_bytecode = True

# What is imported stays. To look for garbage in it takes a fifth of the time in which a rank begins and ends.
gc.disable()

from unetc_torch.command import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
