"""Carries out the bundle in which this file lies: python BUNDLE/torch/run.py ..., or torchrun ... BUNDLE/torch/run.py ..."""

import os
import sys

# The files of a bundle are those of its manifest, and no others.
sys.dont_write_bytecode = True

from unetc_torch.command import main  # noqa: E402

if __name__ == "__main__":
    main(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
