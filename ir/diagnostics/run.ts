/** Diagnostics about running: bundles, data, weights, devices. */
import type { Entry } from './entry.ts';

export const runDiagnostics = {
  'device-died': {
    message: 'device {rank} ended ({reason}) while it was at `{instruction}`',
    hint: 'run again with --resume to go on from the last checkpoint',
    explain: 'The process that stood for one device ended before the run was over, so the run was stopped.',
    example: 'kill -9 of a device process in the middle of a step',
  },
  'device-lost': {
    message: 'the connection to device {peer} broke while it was at `{instruction}`',
    hint: 'run again with --resume to go on from the last checkpoint',
    explain: 'A device found that another one had closed their connection before the run was over.',
    example: 'a device process that is being stopped by the system',
  },
  'device-silent': {
    message: 'waited {seconds} s for {what}: device {peer} stands still at `{instruction}`',
    hint: 'look whether the machine is overloaded, and go on with --resume; a larger --timeout allows for instructions that take so long',
    explain:
      'Every wait has an end. A device that makes no progress for that long ends the run, because the others cannot go on without it. Time in which the whole run was suspended does not count.',
    example: 'a machine that swaps',
  },
  'device-stopped': {
    message:
      'device {peer} was stopped from outside while it was at `{instruction}`; it did not go on within {seconds} s',
    hint: 'find out who stops processes here (`kill -STOP`, a debugger), and go on with --resume',
    explain:
      'A stopped process stays where it is until somebody lets it go on. A single device that is stopped for longer than `--timeout` ends the run; if all of a run is suspended and resumed, as batch systems do, it goes on.',
    example: 'kill -STOP of a device process',
  },
  'device-failed': {
    message: 'device {rank} failed at `{instruction}`: {reason}',
    explain:
      'An instruction of the plan could not be carried out on a device. The reason is in its own words.',
    example: 'a segment that ONNX Runtime refuses',
  },
  'loss-not-finite': {
    message: 'the loss of step {step} is {loss}; {parameter}',
    hint: 'lower the learning rate, or clip the gradients',
    explain:
      'A loss that is not a number cannot be followed any further, so the run was stopped before it could spoil the weights.',
    example: 'train sgd(constant(100))',
  },
  'state-not-finite': {
    message: 'after {steps} steps {what} of `{parameter}` are not finite',
    hint: 'lower the learning rate, or clip the gradients (`clip = NORM`)',
    explain:
      'The update of the last step has spoilt what is trained, although its loss was finite. Nothing of it is saved: a checkpoint always holds a state that training can go on from.',
    example: 'train sgd(constant(1e30)), ...',
  },
  'checkpoints-exist': {
    exit: 1,
    message: '`{directory}` already holds checkpoints (`{file}`)',
    hint: 'go on from them with --resume, or give another directory with --checkpoint',
    explain:
      'A new training would mix its checkpoints with those of another, and the newest of a directory is the one that a run resumes from.',
    example: 'unetc run BUNDLE --data scenes --checkpoint runs/1   // twice',
  },
  'weights-differ': {
    message: '`{file}` does not fit the network: {problem}',
    hint: 'use weights of this network; `run --init-names` takes the names that another program gave them',
    explain:
      'Weights are matched by name: every parameter of the network needs a tensor of its name and its dimensions, of floats (16, 32 or 64 bits, or bfloat16) that are finite.',
    example: 'unetc predict coastline --weights classic.safetensors image.png -o mask.png',
  },
  'weights-unused': {
    severity: 'warning',
    message: '`{file}` holds tensors that the network does not use: {names}',
    hint: 'that is right for counters and optimizer states; a weight among them means that the networks differ',
    explain:
      'Every parameter of the network gets the tensor that the table of names says. Tensors that nobody asks for are left alone, but named.',
    example: 'num_batches_tracked of a batch norm in PyTorch',
  },
  'weight-names-invalid': {
    message: '`{file}`: {problem}',
    hint: '`unetc export BUNDLE --names FILE` writes the table to be filled in',
    explain:
      'The table of `--init-names` says for every parameter of the network under which name the file of `--init` holds it.',
    example: '{ "conv[0].weight": { "from": "inc.0.weight" } }   // and no line for conv[0].bias',
  },
  'image-size-differs': {
    message: '`{file}` has {size} pixels, and the bundle is compiled for {expected}',
    hint: 'compile the model to predict for the size of this image',
    explain: 'A plan is made for one size: its tiles and their margins are fixed.',
    example: 'a bundle for 1024 x 1024 and an image of 1000 x 1000',
  },
  'bundle-purpose': {
    message: 'the bundle `{path}` is made to {found}, not to {expected}',
    explain:
      'A plan either trains or predicts: a plan to predict has no backward pass, and tiles of its own.',
    example: 'unetc run with a bundle that was compiled for one image',
  },
  'bundle-executor': {
    exit: 1,
    message:
      'the bundle `{path}` is made for a machine that a launcher starts, and has no segments for this one',
    hint: 'start it there with `unetc run --launcher`, or compile it for this machine: without --machine',
    explain:
      'A plan for a cluster is carried out by PyTorch, which needs no compiled segments, so the bundle is written without them.',
    example: 'unetc run with a bundle that was compiled with --machine summit',
  },
  'torch-missing': {
    exit: 1,
    message: '`{python}` cannot import torch and numpy',
    hint: '`python3 -m venv torch && torch/bin/pip install torch numpy`, and name it: --python torch/bin/python',
    explain: 'Plans for launchers are carried out by PyTorch; `unetc doctor` shows what is there.',
    example: 'unetc run BUNDLE --data scenes --launcher torchrun',
  },
  'ranks-failed': {
    message: 'the ranks ended before the training did; what they said is above',
    hint: 'run again with --resume to go on from the last checkpoint',
    explain:
      'torchrun starts all ranks again when one of them fails, a few times; each time the run goes on from its last checkpoint.',
    example: 'a rank for which there is no memory',
  },
  'submission-failed': {
    exit: 3,
    message: '`{program}` did not take the job script `{script}`: {reason}',
    hint: 'submit the script by hand where that program is: `{program} < {script}`',
    explain: 'Slurm and LSF take jobs on their login nodes only.',
    example: 'unetc run BUNDLE --data scenes --launcher slurm   // on a laptop',
  },
  'bundle-missing': {
    message: '`{path}` is not a bundle: {reason}',
    hint: 'write one with `unetc compile MODEL -o DIR`',
    explain: 'A bundle is the directory that `compile` writes; its manifest could not be read.',
    example: 'unetc run no-such-folder --data scenes',
  },
  'bundle-version': {
    message: 'the bundle `{path}` has format {found}, and this version reads format {expected}',
    hint: 'compile the model again: `unetc compile {path}/model.unet -o {path}`, with the options of then',
    explain: 'The layout of bundles changes between versions, and an old one is never guessed at.',
    example: 'a bundle that a later version of unetc wrote',
  },
  'bundle-changed': {
    message: '`{file}` of the bundle `{path}` {reason}',
    hint: 'compile the model again; a schedule that was edited is given back with `unetc compile MODEL --schedule FILE`',
    explain: 'Every file of a bundle must be the one that its manifest lists: the hash of each is checked.',
    example: 'a plan.json that was edited by hand',
  },
  'bundle-damaged': {
    message: '`{file}` of the bundle `{path}` is damaged: {reason}',
    hint: 'compile the model again',
    explain: 'The file has the hash that the manifest says, but not the structure of a plan.',
    example: 'a bundle written by another program',
  },
  'onnx-too-large': {
    message: 'the weights of `{model}` are {size} GiB, and one ONNX file holds at most 2 GiB',
    hint: 'keep the checkpoint (safetensors) for exchange, or export a narrower network',
    explain: 'An ONNX file is one Protocol Buffers message, and such a message cannot be longer than 2 GiB.',
    example: 'unetc export torchgpipe.unet --set num_convs=11 --set base=128',
  },
  'file-missing': {
    message: 'there is no file `{file}`',
    explain: 'The path does not lead to a file that can be read.',
    example: 'unetc check coastlin.unet',
  },
  'file-unreadable': {
    message: 'cannot read `{file}`: {reason}',
    explain: 'Something is at that path, and the system does not let it be read as a file.',
    example: 'unetc check my-folder',
  },
  'system-refused': {
    exit: 3,
    message: 'the system refused `{call}` of `{path}`: {reason}',
    hint: 'look at the permissions of that path and at the space on its disk; `TMPDIR` says where temporary files go',
    explain:
      'Beside what it is told to write, a command needs temporary files. The disk may be full, or the folder for them may be missing or closed to this user.',
    example: 'TMPDIR=/no/such/folder unetc run coastline.plan --data scenes',
  },
  'steps-beyond': {
    severity: 'warning',
    message: '`--steps {given}` goes beyond step {steps}, where the rate curve of the text ends',
    hint: 'to train longer, set `steps` in the text, compile it into another folder, and start from these weights with `--init`',
    explain:
      'The rate of a step comes from the curve in the text. Behind its end the rate stays where the curve ends: for a cosine that is 0, and nothing is learned any more.',
    example: 'unetc run coastline.plan --data scenes --steps 1000   // of a text with steps = 120',
  },
  'wrong-option': {
    exit: 2,
    message: '`{option} {value}`: expected {expected}',
    explain: 'The value of an option of the command line cannot be read.',
    example: 'unetc compile coastline.unet --memory 4',
  },
  'option-missing': {
    exit: 2,
    message: '{option} is missing',
    hint: '{remedy}',
    explain: 'The command needs an option that was not given.',
    example: 'unetc export coastline.plan --weights coastline.plan/checkpoints',
  },
  'profile-invalid': {
    exit: 1,
    message: '`{file}` is no profile: {reason}',
    hint: '`unetc run BUNDLE --data FOLDER --profile FILE` writes one',
    explain: 'A profile is what a run has measured: when each instruction of a step began and ended.',
    example: 'unetc inspect coastline.plan --profile trace.json',
  },
  'scaling-invalid': {
    exit: 1,
    message: '`{file}` cannot be shown beside the plan: {reason}',
    hint: '`unetc scale MODEL --machine NAME --devices 6,96 --json > FILE` writes one',
    explain:
      'What `unetc scale --json` prints for the model of a bundle can be shown in its report: the step and the efficiency against the number of devices.',
    example: 'unetc inspect coastline.plan --scaling coastline.plan/plan.json',
  },
  'profile-of-another-plan': {
    exit: 1,
    message: '`{file}` was measured with another plan',
    hint: 'run this bundle with `--profile` to measure it',
    explain:
      'A profile belongs to the bundle that ran: its times are those of the instructions of that plan, which another does not have.',
    example: 'a model that was compiled again after its run',
  },
  'stopped-early': {
    message: 'stopped before the end; nothing was written',
    explain: 'A signal ended the work. A mask is written under its name only when it is complete.',
    example: 'Ctrl-C during unetc predict',
  },
} as const satisfies Record<string, Entry>;
