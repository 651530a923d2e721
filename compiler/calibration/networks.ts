/**
 * The networks whose ops a machine is measured by: U-Nets as people train them, in sizes from small tiles to large
 * images. Kernel classes then hold the ops, and the shapes, that training steps are made of.
 */

export type CalibrationNetwork = {
  readonly name: string;
  readonly source: string;
  readonly side: number;
  readonly width: number;
  /** Of a step. */
  readonly images: number;
};

/** Convolutions with biases and ReLU, max pooling and transposed convolutions: the classic U-Net, padded. */
const plain = `model plain
let side   = 64
let width  = 16
let images = 1
input  image : f32[3, side, side] scaled by 1/255
target truth : class[side, side] of 4
block double_conv(x, c) = x |> conv(c, 3) |> relu |> conv(c, 3) |> relu
let logits = image
  |> unet(3) {
       encode(l, x)       = x |> double_conv(width * 2^l)
       down(l, x)         = x |> max_pool(2)
       decode(l, skip, x) = concat(skip, x |> up_conv(width * 2^l, 2)) |> double_conv(width * 2^l)
     }
  |> conv(4, 1)
loss  cross_entropy(logits, truth)
train adam(constant(1e-3)), batch = images, steps = 1
`;

/** Convolutions with norms and leaky ReLU, and enlarging by repetition. */
const normed = `model normed
let side   = 64
let width  = 16
let images = 1
input  image  : f32[3, side, side] scaled by 1/255
target wanted : f32[1, side, side]
block cell(x, c) = x |> conv(c, 3, bias = false) |> instance_norm |> leaky_relu(0.01)
let result = image
  |> unet(3) {
       encode(l, x)       = x |> cell(width * 2^l) |> cell(width * 2^l)
       down(l, x)         = x |> max_pool(2)
       decode(l, skip, x) = concat(skip, x |> resize(2)) |> cell(width * 2^l)
     }
  |> conv(1, 1)
loss  mse(result, wanted)
train sgd(constant(0.1), momentum = 0.9), batch = images, steps = 1
`;

/** Residual blocks with batch norms; convolutions of stride 2, and of one cell, go down. */
const residual = `model residual
let side   = 64
let width  = 16
let images = 2
input  image : f32[3, side, side] scaled by 1/255
target truth : class[side, side] of 2
block norm_conv(x, c, k, stride) = x |> conv(c, k, stride = stride, bias = false) |> batch_norm(group = 2)
block cell(x, c, stride) = {
  let found = x |> norm_conv(c, 3, stride) |> relu |> norm_conv(c, 3, 1)
  (found + (x |> norm_conv(c, 1, stride))) |> relu
}
let logits = image
  |> unet(3) {
       encode(l, x)       = x |> cell(width * 2^l, 1)
       down(l, x)         = x |> cell(width * 2^(l + 1), 2)
       decode(l, skip, x) = concat(skip, x |> up_conv(width * 2^l, 2)) |> cell(width * 2^l, 1)
     }
  |> conv(2, 1)
loss  cross_entropy(logits, truth)
train sgd(constant(0.1)), batch = images, steps = 1
`;

type Size = Omit<CalibrationNetwork, 'name'> & { readonly kind: string };

const size =
  (kind: string, source: string, images: number) =>
  (side: number, width: number): Size => ({ kind, source, side, width, images });
const [ofPlain, ofNormed, ofResidual] = [
  size('plain', plain, 1),
  size('normed', normed, 1),
  // Of its norms two samples make a group.
  size('residual', residual, 2),
];

/** The larger the later: where time is short, few small ones of each kind say more than all of one kind. */
const sizes: readonly Size[] = [
  ofPlain(16, 4),
  ofPlain(32, 128),
  ofNormed(32, 32),
  ofPlain(64, 64),
  ofResidual(64, 16),
  ofPlain(128, 32),
  ofNormed(128, 32),
  ofResidual(128, 32),
  ofPlain(256, 16),
  ofNormed(256, 16),
  ofPlain(384, 16),
  ofNormed(384, 8),
];

/** Those whose images have at most so many cells a side. */
export const calibrationNetworks = (largestSide: number): readonly CalibrationNetwork[] =>
  sizes
    .filter(({ side }) => side <= largestSide)
    .map((one) => ({
      ...one,
      name: `${one.kind} ${one.side} ${one.width}`,
    }));
