/** Diagnostics about texts: `.unet` models and what they say about shapes. */
import type { Entry } from './entry.ts';

/** What the form of a text can be lacking. */
const form = {
  'text-too-long': {
    message: 'the text has {length} characters; at most {most} are read',
    hint: 'is this a model? Widths and depths are better computed (`let`, `for`, `unet`) than written out',
    explain: 'A limit that keeps a wrong file, such as an image, from being taken for a model.',
    example: 'unetc check photo.jpg',
  },
  'unknown-sign': {
    message: '`{sign}` is not a sign of the language',
    explain: 'The text holds a character that no part of a model is written with.',
    example: 'let width = 2 × 8   // times is *',
  },
  'comment-sign': {
    message: 'a comment begins with `//`',
    explain: 'Comments run from `//` to the end of the line. There are no others.',
    example: '# the encoder   // write: // the encoder',
  },
  'text-in-quotes': {
    message: 'there are no quoted texts in a model',
    hint: 'names and words are written without quotes: `pad = same`, `by = channel`',
    explain: 'A model consists of numbers, tensors and words; nothing in it is a string.',
    example: "x |> conv(16, 3, pad = 'same')   // write: pad = same",
  },
  'number-with-letters': {
    message: '`{number}{letters}` is a number with letters at its end',
    explain:
      'Numbers in a model have no units: sizes count cells, rates and weights are plain numbers. Machine descriptions, in files of their own, have units.',
    example: 'let side = 256px   // write: let side = 256',
  },
  unexpected: {
    message: 'expected {expected}, found {found}',
    explain:
      'The text does not go on as the grammar allows. Often a bracket, a comma or a pipe `|>` is missing.',
    example: 'x |> conv(16, 3) relu   // write: x |> conv(16, 3) |> relu',
  },
  'no-statement': {
    message: '`{found}` does not begin a statement',
    hint: 'a statement begins with `model`, `let`, `block`, `input`, `target`, `loss`, `train` or `output`',
    explain: 'A model is a list of statements, and each begins with its own word.',
    example: 'width = 16   // write: let width = 16',
  },
  'reserved-word': {
    message: '`{word}` is a word of the language and cannot be a name',
    hint: 'choose another name, such as `{word}_1` or `x`',
    explain: 'The words that begin statements and build expressions cannot name values.',
    example: 'block twice(input) = input |> relu |> relu   // write: block twice(x) = ...',
  },
  'bracket-not-closed': {
    message: '`{bracket}` is never closed',
    explain: 'Each bracket is closed by its partner in the same statement.',
    example: 'let logits = image |> conv(2, 1   // write: conv(2, 1)',
  },
  'bracket-not-opened': {
    message: '`{bracket}` closes nothing',
    hint: 'remove it, or add the bracket that it should close',
    explain: 'Each closing bracket needs an opening one before it in the same statement.',
    example: 'let logits = image |> conv(2, 1))',
  },
  'nested-too-deeply': {
    message: 'more than {most} brackets or conditions inside one another, or {chain} operators in a row',
    hint: 'give parts names with `let`, or repeat with `fold` and `for`',
    explain:
      'A limit that keeps a text from overflowing the compiler. No model written by a person comes near it.',
    example: '((((((... a hundred deep ...))))))',
  },
  'operator-after-pipe': {
    message: '`{operator}` after a pipe could be read in two ways',
    hint: 'put brackets around the pipe: `(x |> f) {operator} y`',
    explain:
      'A pipe binds loosest of all: `a + b |> f` gives `a + b` to `f`. An operator behind it could belong to the last stage or to the whole pipe, so it needs brackets.',
    example: 'x |> conv(16, 3) + x   // write: (x |> conv(16, 3)) + x',
  },
} as const satisfies Record<string, Entry>;

/** Names, functions and their arguments. */
const names = {
  'unknown-name': {
    message: 'nothing is named `{name}`',
    explain: 'The name is not defined at this place: names are defined before they are used.',
    example: 'let logits = imgae |> conv(2, 1)   // the input is named image',
  },
  'unknown-function': {
    message: 'there is no function `{name}`',
    explain: 'It is neither built in nor defined by a `block` or `let` of this text.',
    example: 'image |> maxpool(2)   // did you mean max_pool?',
  },
  'function-as-value': {
    message: '`{name}` is a function, and is used like a value',
    hint: 'call it: `{name}(x)` or `x |> {name}`',
    explain: 'Functions can be called, or stand after a pipe; they are no values.',
    example: 'let a = relu   // write: let a = image |> relu',
  },
  'value-as-function': {
    message: '`{name}` is a value, and is called like a function',
    explain:
      'Only functions have arguments. A function is defined by `let f(x) = ...` or `block f(x) = ...`.',
    example: 'let width = 16\nlet wider = width(2)   // write: width * 2',
  },
  'name-taken': {
    message: '`{name}` is already {what}',
    hint: 'choose another name',
    explain: 'A name means one thing in a text, so that readers need not look for which.',
    example: 'let side = 256\nlet side = 512',
  },
  recursion: {
    message: '`{name}` calls itself{through}',
    hint: 'compute the value directly, such as `16 * 2^l`; repeat with `[f(i) for i in 1..n]` or `x |> fold(1..n) { step(i, x) = ... }`',
    explain:
      'Functions must not call themselves, directly or through others, so that every text comes to an end. Lists, `for` and `fold` repeat; `unet` goes down and up again.',
    example: 'let width(l) = 2 * width(l - 1)   // write: let width(l) = 16 * 2^l',
  },
  'unknown-argument': {
    message: '`{callee}` has no argument `{name}`',
    explain: 'The function has no parameter of that name.',
    example: 'image |> conv(16, 3, strides = 2)   // did you mean stride?',
  },
  'missing-argument': {
    message: '`{callee}` needs `{name}`',
    hint: 'it is written `{signature}`',
    explain: 'A parameter without a default was given no value.',
    example: 'image |> conv(16)   // conv(channels, kernel): how large is the kernel?',
  },
  'too-many-arguments': {
    message: '`{callee}` is given too many arguments: {given} instead of {most}',
    hint: 'it is written `{signature}`; what stands before a pipe is the first argument',
    explain: 'There are more values than parameters. A value before a pipe counts as the first argument.',
    example: 'x |> relu(x)   // write: x |> relu, or relu(x)',
  },
  'argument-twice': {
    message: '`{callee}` is given `{name}` twice',
    explain: 'By its place and by its name, or by its name twice.',
    example: 'conv(x, 16, 3, channels = 8)',
  },
  'argument-order': {
    message: 'an argument without a name stands after one with a name',
    hint: 'arguments by place come first, then `name = value`',
    explain: 'After a named argument the place of the others would be unclear.',
    example: 'conv(x, kernel = 3, 16)   // write: conv(x, 16, kernel = 3)',
  },
  'unexpected-arms': {
    message: '`{callee}` takes nothing in curly brackets',
    hint: '`unet(levels) { ... }` and `fold(list) { ... }` do',
    explain:
      'Curly brackets after a call hold the functions that a combinator calls; other functions have none.',
    example: 'x |> conv(16, 3) { step(i, x) = x }',
  },
  'unknown-arm': {
    message: '`{callee}` has no `{name}`',
    hint: 'it is written {form}',
    explain: 'The combinator asks for certain functions in its curly brackets, and this is none of them.',
    example: 'unet(3) { up(l, x) = ... }   // encode, down, decode, bottom',
  },
  'missing-arm': {
    message: '`{callee}` needs `{name}`',
    hint: 'it is written {form}',
    explain: 'The combinator asks for certain functions in its curly brackets, and this one is not there.',
    example: 'unet(3) { encode(l, x) = ... }   // down and decode are missing',
  },
  'arm-parameters': {
    message: '`{name}` takes {expected} parameters, and {given} are written',
    hint: 'it is written {form}',
    explain: 'The combinator calls this function with a fixed number of values; their names are free.',
    example: 'decode(l, x) = ...   // write: decode(l, skip, x) = ...',
  },
  'unknown-set': {
    message: 'the model has no `let {name}` to set',
    explain: 'Only values defined by a `let` at the top of a text can be set from outside.',
    example: 'unetc check coastline.unet --set size=512   // did you mean side?',
  },
} as const satisfies Record<string, Entry>;

/** Values that do not fit where they are used. */
const values = {
  'wrong-kind': {
    message: '{what} must be {expected}, not {found}',
    explain: 'The value is of a kind that cannot be used here.',
    example: 'image |> conv(2.5, 3)   // channels are counted: a whole number',
  },
  'wrong-operands': {
    message: '`{operator}` does not work on {left} and {right}',
    explain: 'Arithmetic works on numbers, `+` also on tensors of equal shape, on lists and on losses.',
    example: 'image * 2   // scale an input with `scaled by`',
  },
  'no-number': {
    message: '{what} is not a number ({why})',
    explain: 'A calculation left the numbers: a division by 0, or a result beyond all bounds.',
    example: 'let width = 16 / 0',
  },
  'number-too-large': {
    message: '{what} is larger than {most}',
    explain: 'Whole numbers are exact up to 2^53 - 1; larger ones would silently be wrong.',
    example: 'let width(l) = 16 * 2^(100 * l)',
  },
  'index-outside': {
    message: 'the list has {length} elements, and element {index} is asked for',
    hint: 'elements count from 0; the last is `list[len(list) - 1]`',
    explain: 'Lists count from 0.',
    example: 'let widths = [16, 32]\nlet last = widths[2]',
  },
  'list-too-long': {
    message: 'a list of {length} elements; at most {most} are allowed',
    explain: 'A limit that keeps a text from filling the memory.',
    example: 'let all = [i for i in 1..1000000000]',
  },
  'too-much-work': {
    message: 'the text takes more than {most} steps to evaluate',
    hint: 'is a range or a `fold` longer than meant?',
    explain: 'A limit that keeps a text from running for ever.',
    example: '[[[0 for i in 1..1000] for j in 1..1000] for k in 1..1000]',
  },
  'too-many-ops': {
    message: 'the network has more than {most} operations',
    hint: 'is a range or a `fold` longer than meant?',
    explain:
      'A limit that keeps a text from filling the memory. The largest published U-Nets have some thousands.',
    example: 'x |> fold(1..1000000) { step(i, x) = x |> relu }',
  },
  'called-too-deeply': {
    message: 'more than {most} evaluations inside one another',
    hint: 'give parts names with `let` at the top of the text',
    explain: 'A limit that keeps a text from overflowing the compiler.',
    example: 'a hundred blocks, each calling the next',
  },
  'tensor-too-large': {
    message: '{what} has more than 2^53 elements',
    explain: 'No machine holds such a tensor, and its size could not be computed exactly.',
    example: 'input image : f32[3, 1000000000, 1000000000]',
  },
} as const satisfies Record<string, Entry>;

/** Shapes: what fits on what. */
const shapes = {
  'sizes-differ': {
    message: '`{op}` needs equal sizes, not {sizes}',
    hint: 'bring them together with `crop_like`, `pad_like`, or an input size that all poolings divide',
    explain:
      'The tensors joined here cover different numbers of cells, so their cells do not correspond. Usually a pooling of an odd size dropped a row, or convolutions without padding have made one of them smaller.',
    example: 'concat(skip, x)   // skip is 125 x 125, x is 124 x 124',
  },
  'even-kernel': {
    message: 'a kernel of {kernel} has no middle, so `pad = same` is not defined for it',
    hint: 'use an odd kernel, such as {odd}, or say which side gets more: `pad = ({low}, {high})`',
    explain:
      '`same` padding puts dilation * (kernel - 1) / 2 cells on both sides, which is a whole number for odd kernels only. Libraries disagree about even ones.',
    example: 'image |> conv(16, 4)   // conv(16, 3), or conv(16, 4, pad = (1, 2))',
  },
  'groups-divide': {
    message: '{groups} groups do not divide both {from} and {to} channels evenly',
    hint: 'channel counts must be multiples of `groups`',
    explain:
      'In a grouped convolution each group has an equal share of input and output channels, in a group norm of the channels.',
    example: 'image |> conv(16, 3, groups = 2)   // image has 3 channels',
  },
  'corners-of-nearest': {
    message: '`align_corners` says where the centres of cells lie, and `nearest` repeats whole cells',
    hint: 'write `resize(2, bilinear, align_corners = true)`, or leave `align_corners` out',
    explain:
      'A bilinear resize goes in straight lines between the centres of cells. By default cells are squares, and the outermost centres of the result lie half a small cell inside the image; with aligned corners the first and last centre stay where they were.',
    example: 'x |> resize(2, align_corners = true)   // write: resize(2, bilinear, align_corners = true)',
  },
  'group-and-batch': {
    message: 'groups of {group} samples do not divide the batch of {batch} evenly',
    hint: 'choose a `group` that divides `batch`; without one the whole batch is the group',
    explain: 'A batch norm over groups takes its statistics over each so many consecutive samples of a step.',
    example: 'batch_norm(group = 3)   // with batch = 4',
  },
  'norm-of-one': {
    message: 'a batch norm over a single cell of a single sample has no variance',
    hint: 'use a larger batch or group, a larger image, or fewer poolings',
    explain:
      'The variance of one number is 0, and its unbiased estimate, which predictions would use, does not exist.',
    example: 'batch_norm on a map of 1 x 1 cells, with batch = 1',
  },
  'rank-differs': {
    message: '`{name}` has {rank} spatial axes, and `{first}` has {expected}',
    explain: 'All inputs and targets of a model have the same number of spatial axes: 1, 2 or 3.',
    example: 'input a : f32[1, 64, 64]\ninput b : f32[1, 64]',
  },
  'crop-like-smaller': {
    message: '`crop_like` cannot crop {sizes} to the larger {like}',
    hint: 'is it the other way round? `pad_like` enlarges',
    explain: '`crop_like` cuts cells off all sides until the tensor has the size of the other one.',
    example: 'small |> crop_like(large)',
  },
  'pad-like-larger': {
    message: '`pad_like` cannot pad {sizes} to the smaller {like}',
    hint: 'is it the other way round? `crop_like` makes smaller',
    explain:
      '`pad_like` adds cells of zeros at the high side until the tensor has the size of the other one.',
    example: 'large |> pad_like(small)',
  },
  'target-size': {
    message: '{result} is {sizes}, and the target `{target}` is {expected}',
    hint: 'give both the same size',
    explain:
      'A loss compares a result with its target cell by cell, so both have the same size. Convolutions without padding and poolings without their way up make a result smaller.',
    example: 'target land : class[572, 572] of 2   // the valid convs of the classic net give 388 x 388',
  },
  'class-count': {
    message: '{result} has {channels} channels, and the target `{target}` has {classes} classes',
    hint: 'end the network with `|> conv({classes}, 1)`: one channel for each class',
    explain: 'cross_entropy and focal read one channel of the result as the score of one class.',
    example: 'target land : class[64, 64] of 2\nloss cross_entropy(image |> conv(3, 1), land)',
  },
  'not-a-vector': {
    message: '`{op}` works on vectors, and this tensor covers space',
    hint: 'a convolution with a kernel of one cell, `conv(channels, 1)`, does the same at each cell',
    explain: 'A vector has channels and no space: an input such as `f32[1]`, and what is made of it.',
    example: 'image |> linear(64)',
  },
  'not-binary': {
    message:
      '`binary_cross_entropy` compares one channel with two classes, and {result} has {channels} channels, the target `{target}` {classes} classes',
    hint: 'end the network with `|> conv(1, 1)` for a target of 2 classes, or use `cross_entropy`',
    explain: 'The one channel is the score of class 1 against class 0.',
    example: 'target land : class[64, 64] of 2\nloss binary_cross_entropy(image |> conv(2, 1), land)',
  },
} as const satisfies Record<string, Entry>;

/** The statements a model consists of. */
const statements = {
  'missing-statement': {
    message: 'the model has no `{word}`',
    hint: 'add {example}',
    explain: 'A model needs a name, an input, a loss to learn from, and how it is trained.',
    example: 'model coastline',
  },
  'statement-twice': {
    message: 'a second `{word}`; the first is in line {line}',
    explain: 'A model has one name, one sum of losses and one way of training.',
    example: 'train adam(1e-3), batch = 4, steps = 100\ntrain sgd(0.1), batch = 4, steps = 100',
  },
  'unknown-type': {
    message: '`{name}` is not a kind of tensor',
    hint: 'an input is `f32[channels, height, width]`, a target `class[height, width] of 2` or `f32[...]`',
    explain: 'Inputs are floating-point maps; targets are class indices or floating-point maps.',
    example: 'input image : float32[3, 64, 64]   // write: f32[3, 64, 64]',
  },
  'type-sizes': {
    message: '`{name}` needs {expected}',
    explain:
      'A type lists the channels (not for a class target), then one to three sizes, outermost first.\nAn input without sizes, `f32[8]`, is a vector.',
    example: 'target depth : f32[1]   // write: f32[1, 64, 64]',
  },
  'class-input': {
    message: 'an input cannot be `class`',
    hint: 'inputs are `f32[channels, height, width]`; the labels are a `target`',
    explain: 'Class indices are what a network is compared with, not what it reads.',
    example: 'input land : class[64, 64] of 2   // write: target land : ...',
  },
  'wrong-target': {
    message: '`{loss}` needs a target of {expected}, and `{target}` is {found}',
    hint: '{remedy}',
    explain:
      'cross_entropy, binary_cross_entropy, focal and dice compare scores with class indices; mse and l1 numbers with numbers.',
    example: 'target land : class[64, 64] of 2\nloss mse(logits, land)',
  },
  'not-trained': {
    message: '`{value}` reaches neither the loss nor an output, so it is left out',
    severity: 'warning',
    explain: 'The layer is computed from the text, but nothing depends on it.',
    example: 'let unused = image |> conv(8, 3)',
  },
  'unused-target': {
    message: 'no loss uses the target `{name}`, so it is left out',
    severity: 'warning',
    explain: 'A target serves a loss; data for it would be loaded for nothing.',
    example: 'target land : class[64, 64] of 2   // and no cross_entropy(logits, land)',
  },
} as const satisfies Record<string, Entry>;

export const languageDiagnostics = { ...form, ...names, ...values, ...shapes, ...statements };
