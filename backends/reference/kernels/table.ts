/** The kernel of each op. The type checker names every op that lacks one. */
import type { LocalKind } from '../../../ir/ops/attributes.ts';
import { convolutionKernels } from './convolution.ts';
import { diceKernels } from './dice.ts';
import { elementwiseKernels } from './elementwise.ts';
import { gateKernels } from './gates.ts';
import type { Kernels } from './kernel.ts';
import { layoutKernels } from './layout.ts';
import { lossKernels } from './loss.ts';
import { normKernels } from './norm.ts';
import { partialKernels } from './partials.ts';
import { poolingKernels } from './pooling.ts';
import { updateKernels } from './update.ts';
import { vectorKernels } from './vectors.ts';

export const kernels: Kernels<LocalKind> = {
  ...convolutionKernels,
  ...diceKernels,
  ...elementwiseKernels,
  ...gateKernels,
  ...layoutKernels,
  ...lossKernels,
  ...normKernels,
  ...partialKernels,
  ...poolingKernels,
  ...updateKernels,
  ...vectorKernels,
};
