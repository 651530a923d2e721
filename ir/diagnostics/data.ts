/** Diagnostics about what a run reads and writes: images, labels, weights, checkpoints. */
import type { Entry } from './entry.ts';

export const dataDiagnostics = {
  'data-missing': {
    exit: 3,
    message: 'no data in `{path}`',
    hint: 'a data directory has `images/` and `labels/` with equal base names, or a `data.json`',
    explain:
      'Training, evaluation and prediction read images from a directory. It pairs `images/a.jpg` with `labels/a.png` by the base name, or a `data.json` lists the pairs.',
    example: 'unetc run coastline.plan --data /empty',
  },
  'data-not-served': {
    message: 'the model takes {wanted}, and no data can be given to it yet',
    hint: 'it can be compiled, inspected and verified',
    explain:
      'Data are images of rows and columns, each with one label of classes or numbers. Volumes and several images or labels a sample have no data format so far.',
    example: 'unetc run volume.plan --data scans   // its input is f32[1, 32, 128, 128]',
  },
  'data-file-invalid': {
    message: '`{file}`: {path} {problem}',
    explain: 'The `data.json` does not say what it must. Keys that are not known are refused, not ignored.',
    example: '{ "pairs": [{ "image": "a.jpg", "lable": "a.png" }] }',
  },
  'pair-incomplete': {
    message: '`{file}` has no {missing}',
    hint: 'files of a pair have equal base names: `images/a.jpg` and `labels/a.png`',
    explain: 'An image without a label cannot be trained on, and a label without an image is a mistake.',
    example: 'images/a.jpg without labels/a.png',
  },
  'image-unreadable': {
    message: 'cannot read `{file}`: {reason}',
    explain: 'The file is missing, truncated, or of a format that is not known.',
    example: 'a JPEG of which only the first half was copied',
  },
  'image-too-large': {
    message: '`{file}` has {width} x {height} pixels, more than {limit} in all',
    hint: 'cut the scene into several files',
    explain:
      'A limit on the number of pixels protects from files that claim to be enormous; each image is decoded once to disk.',
    example: 'a PNG of 1 KiB that claims to be 1,000,000 x 1,000,000 pixels',
  },
  'image-interlaced': {
    message: '`{file}` is interlaced, and decoding its {width} x {height} pixels would take {size} of memory',
    hint: 'store it without interlacing (PNG) or progression (JPEG), or as a tiled TIFF',
    explain:
      'The pixels of an interlaced file are scattered over all of it, so it is in memory as a whole when the first row is complete. All other files are decoded row by row.',
    example: 'an interlaced PNG of 60,000 x 60,000 pixels',
  },
  'image-format-unknown': {
    message: '`{file}` holds {depth} numbers in a form that cannot be read',
    hint: 'whole numbers of 8 or 16 bits can be read, 32-bit floats from NPY, Zarr and TIFF (plain, LZW or deflate)',
    explain:
      'Pixels are whole numbers of 8 or 16 bits a channel, or floats of 32 bits; the model scales them.',
    example: 'a TIFF of 64-bit floats',
  },
  'image-colours-unknown': {
    message: '`{file}` holds {space} colours, neither gray nor red, green and blue',
    hint: 'convert it to RGB, as PNG say; the network then sees what you see',
    explain:
      'Amounts of ink (CMYK) or other coordinates of colours are nothing that other images of a data set could be compared with, and how they turn into red, green and blue depends on a profile.',
    example: 'a JPEG that was made for a printer',
  },
  'image-turned': {
    message: '`{file}` is stored turned (EXIF orientation {orientation})',
    hint: 'store it upright, so that pixels of image and label correspond as stored',
    explain:
      'The camera noted that the picture has to be turned before it is shown. Labels drawn on the shown picture would not lie over the pixels as stored.',
    example: 'a portrait photograph straight from a telephone',
  },
  'label-size-differs': {
    message: '`{label}` is {labelSize}, and its image `{image}` is {imageSize}',
    hint: 'a label has one pixel for each pixel of its image',
    explain: 'Without a label for each pixel of the image, the two do not correspond.',
    example: 'images/a.jpg of 640 x 480 with labels/a.png of 320 x 240',
  },
  'label-not-gray': {
    message: '`{file}` has {channels} channels, and a label has one number a pixel',
    hint: 'store class indices as a gray PNG; the pixels of a palette PNG are colours (with Pillow: `Image.fromarray(np.array(Image.open(file))).save(file)` keeps its indices)',
    explain: 'The label of a pixel is one number. Colours do not say which class they mean.',
    example: 'labels/a.png saved as RGB',
  },
  'label-not-whole': {
    message: '`{file}` holds floats, and a label says classes',
    hint: 'store class indices as whole numbers of 8 or 16 bits',
    explain: 'The label of a pixel is the number of its class, and classes are counted in whole numbers.',
    example: 'labels/a.npy of float32',
  },
  'label-value-unknown': {
    message: '`{file}` has the value {value} at x = {x}, y = {y}, which {problem}',
    hint: '`labels` in `data.json` maps values of the file to classes, null meaning "not labelled"',
    explain:
      'Each value in a label file has to be a class of the model, or 255 (not labelled), or be mapped to one by `labels` in `data.json`.',
    example: 'a mask of 0 and 128 for a model of 2 classes',
  },
  'labels-all-alike': {
    message: 'the labels of split `{split}` hold the values {values}, which give no two classes: {classes}',
    hint: 'map the values to classes by `labels` in `data.json`, such as { "0": 0, "255": 1 }',
    explain:
      'From labels of one class a network learns to say that class everywhere. Without a mapping 255 is "not labelled", so a mask of 0 and 255 holds class 0 only.',
    example: 'a mask of 0 and 255 without `labels` in `data.json`',
  },
  'image-channels-differ': {
    message: '`{file}` has {channels} channels, and the input of the network takes {expected}',
    hint: 'convert the file (without its alpha channel, or gray to colours), or write the number of its channels into `input` and train with it',
    explain:
      'The `input` of the model says how many channels an image has. An alpha channel counts as one: images are not changed silently.',
    example: 'a gray PNG for `input image : f32[3, 256, 256]`',
  },
  'target-channels-differ': {
    message: '`{file}` has {channels} channels, and the target of the network has {expected}',
    explain: 'The numbers that a network shall learn to give have the channels that its `target` says.',
    example: 'an RGB picture for `target depth : f32[1, side, side]`',
  },
  'classes-missing': {
    message: 'the model gives no classes, so there is no mask to write or to score',
    hint: '`unetc export` writes it as ONNX, for ONNX Runtime to give its numbers',
    explain: 'Masks and scores are made of classes. A network that was trained on numbers gives numbers.',
    example: 'unetc predict of a model whose target is f32[1, side, side]',
  },
  'image-too-small': {
    message: '`{file}` gives an area of {size}, smaller than the window of {window} that the network reads',
    hint: 'use a smaller window (`--set side=...`) or larger images',
    explain: 'Windows of the size of the network input are drawn inside the areas of the split.',
    example: 'images of 100 x 100 for `input image : f32[3, 256, 256]`',
  },
  'split-unknown': {
    message: 'there is no split `{split}`',
    hint: 'the data has: {splits}',
    explain: 'A split is a named list of areas in `data.json`. Without one, all data are the split `train`.',
    example: 'unetc evaluate coastline.plan --split validation',
  },
  'split-outside': {
    message: 'split `{split}` has {axis} {from} to {to} of `{file}`, which has {extent}',
    explain: 'The box of a split has to lie inside its image and hold at least one pixel.',
    example: '{ "pair": "scene", "columns": [2048, 9999] }',
  },
  'too-few-windows': {
    message: 'split `{split}` has {windows} windows, and a batch takes {batch}',
    hint: 'use a smaller batch (`--set batch=...`) or more images',
    explain:
      'The last incomplete batch of an epoch is dropped, so fewer windows than a batch give no step at all.',
    example: '3 images and `batch = 4`',
  },
  'turns-need-squares': {
    message: 'quarter turns need square windows, and the network reads {window}',
    hint: 'take `quarter_turns` out of `augment` in `data.json`',
    explain: 'A window that is turned a quarter has its height and width exchanged.',
    example: '"augment": { "quarter_turns": true } for `f32[3, 256, 512]`',
  },
  'write-failed': {
    exit: 3,
    message: 'cannot write `{file}`: {reason}',
    explain:
      'Nothing that was there before is harmed: files are written under a new name and renamed when complete.',
    example: 'a full disk',
  },
  'weights-invalid': {
    message: '`{file}` is not a complete safetensors file: {reason}',
    hint: 'a run writes some: `BUNDLE/checkpoints/step-*.safetensors`, or that folder for the newest of them',
    explain: 'The file is truncated, damaged, or something else than weights.',
    example: 'a file of which only half was copied',
  },
  'checkpoint-torn': {
    severity: 'warning',
    message: 'skipped the checkpoint `{file}`: {reason}',
    explain:
      'The file is incomplete or damaged, which its checksum shows; the newest complete checkpoint is used instead.',
    example: 'the machine lost power while a checkpoint was written',
  },
  'checkpoint-of-another-model': {
    exit: 1,
    message: '`{file}` belongs to another model',
    hint: 'give another `--checkpoint` directory, or start from its weights with `--init`',
    explain:
      'A run resumes only the training of the same model; a checkpoint holds the hash of its model. Another plan or another number of devices is fine.',
    example: 'unetc run changed.plan --checkpoint old --resume',
  },
  'checkpoint-version': {
    exit: 1,
    message: '`{file}` is a checkpoint of another version of unetc ({found}, and this one writes {expected})',
    hint: 'go on with the version that wrote it, or give another `--checkpoint` directory',
    explain:
      'Going on from an older checkpoint beside it would throw away what the other version trained since, so that is not done.',
    example: 'unetc run BUNDLE --checkpoint runs/1 --resume   // after a newer unetc had trained there',
  },
} as const satisfies Record<string, Entry>;
