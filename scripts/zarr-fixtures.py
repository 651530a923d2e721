"""Writes the arrays that runtime/data/zarr.test.ts reads. Needs zarr >= 3: python scripts/zarr-fixtures.py runtime/data/cases/zarr"""

import sys
from pathlib import Path

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec

out = Path(sys.argv[1])
y, x, c = np.meshgrid(np.arange(13), np.arange(11), np.arange(3), indexing="ij")
pixels = ((y * 31 + x * 7 + c * 101) % 256).astype("u1")


def write(name, values, **options):
    array = zarr.create_array(out / f"{name}.zarr", shape=values.shape, dtype=values.dtype, overwrite=True, **options)
    array[:] = values


write("v2-blosc", pixels, chunks=(5, 4, 3), zarr_format=2, compressors=numcodecs.Blosc())
write("v2-fortran", pixels, chunks=(5, 4, 2), zarr_format=2, compressors=None, order="F")
write("v3-zstd", pixels[..., 0].astype("f4") / 8, chunks=(5, 4))
write("v3-blosc-big", pixels.astype("u2") * 257, chunks=(13, 4, 1), serializer=BytesCodec(endian="big"), compressors=BloscCodec())
write("v3-channels-first", pixels.transpose(2, 0, 1), chunks=(3, 4, 4), dimension_names=("c", "y", "x"), compressors=GzipCodec())
write("v3-shards", pixels[..., 0] > 127, chunks=(2, 3), shards=(8, 6))
write("v3-transposed", pixels, chunks=(6, 6, 3), filters=TransposeCodec(order=(2, 1, 0)), compressors=None)
group = zarr.open_group(out / "group.zarr", mode="w", zarr_format=2)
group.create_array("0", shape=(13, 11), dtype="u1", chunks=(8, 8))[:] = pixels[..., 0]
