/** "Did you mean ...?": the nearest of some words to one that nobody knows. */
import { nearestWord } from '../../ir/suggest.ts';

/** What people who come from other libraries call things. */
const foreign: Readonly<Record<string, string>> = {
  conv1d: 'conv',
  conv2d: 'conv',
  conv3d: 'conv',
  convolution: 'conv',
  convtranspose2d: 'up_conv',
  conv2dtranspose: 'up_conv',
  conv_transpose: 'up_conv',
  deconv: 'up_conv',
  maxpool2d: 'max_pool',
  pool: 'max_pool',
  pooling: 'max_pool',
  avgpool2d: 'avg_pool',
  upsample: 'resize',
  upsampling2d: 'resize',
  interpolate: 'resize',
  cat: 'concat',
  concatenate: 'concat',
  swish: 'silu',
  lrelu: 'leaky_relu',
  instancenorm2d: 'instance_norm',
  groupnorm: 'group_norm',
  dense: 'linear',
  dropout2d: 'dropout',
  centercrop: 'crop_like',
  crossentropyloss: 'cross_entropy',
  mseloss: 'mse',
  l1loss: 'l1',
  mae: 'l1',
  bce: 'binary_cross_entropy',
  bceloss: 'binary_cross_entropy',
  bcewithlogitsloss: 'binary_cross_entropy',
  focalloss: 'focal',
  length: 'len',
  lr: 'rate',
  learning_rate: 'rate',
  kernel_size: 'kernel',
  filters: 'channels',
  out_channels: 'channels',
  strides: 'stride',
  padding: 'pad',
  padding_mode: 'pad',
  use_bias: 'bias',
  negative_slope: 'slope',
  alpha: 'slope',
  scale_factor: 'factor',
  batch_size: 'batch',
  iterations: 'steps',
  epochs: 'steps',
  weight_decay: 'decay',
  epsilon: 'eps',
  gradient_clip: 'clip',
  warmup: 'warm_up',
  float32: 'f32',
  float: 'f32',
};

const plain = (word: string): string => word.toLowerCase().replaceAll('_', '');

const foreignByPlain = new Map(Object.entries(foreign).map(([word, ours]) => [plain(word), ours]));

/** The word of `known` that `word` was probably meant to be; the first of equally near ones. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const words = [...known];
  const translated = foreignByPlain.get(plain(word));
  return translated !== undefined && words.includes(translated) ? translated : nearestWord(word, words);
}

/** A hint with the nearest word, or nothing. */
export function suggestion(word: string, known: Iterable<string>): string | undefined {
  const near = nearest(word, known);
  return near === undefined ? undefined : `did you mean \`${near}\`?`;
}
