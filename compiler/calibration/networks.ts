/**
 * The networks whose ops a machine is measured by: U-Nets as people train them, in sizes from small tiles to large
 * images. Kernel classes then hold the ops, and the shapes, that training steps are made of.
 */

export type CalibrationNetwork = {
  readonly name: string;
  readonly source: string;
  readonly side: number;
  readonly width: number;
};

/** Convolutions with biases and ReLU, max pooling and transposed convolutions: the classic U-Net, padded. */
const plain = `model plain
let side  = 64
let width = 16
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
train adam(constant(1e-3)), batch = 1, steps = 1
`;

/** Convolutions with norms and leaky ReLU, and enlarging by repetition. */
const normed = `model normed
let side  = 64
let width = 16
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
train sgd(constant(0.1), momentum = 0.9), batch = 1, steps = 1
`;

const sizes: readonly { readonly source: string; readonly side: number; readonly width: number }[] = [
  { source: plain, side: 16, width: 4 },
  { source: plain, side: 32, width: 64 },
  { source: plain, side: 128, width: 32 },
  { source: plain, side: 256, width: 16 },
  { source: plain, side: 256, width: 64 },
  { source: plain, side: 512, width: 16 },
  { source: normed, side: 32, width: 32 },
  { source: normed, side: 128, width: 16 },
  { source: normed, side: 256, width: 32 },
  { source: normed, side: 512, width: 8 },
];

/** Those whose images have at most so many cells a side. */
export const calibrationNetworks = (largestSide: number): readonly CalibrationNetwork[] =>
  sizes
    .filter(({ side }) => side <= largestSide)
    .map((one) => ({
      ...one,
      name: `${one.source === plain ? 'plain' : 'normed'} ${one.side} ${one.width}`,
    }));
