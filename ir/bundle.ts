/**
 * A bundle: the directory that `compile` writes and that is all a run needs. The compiler makes it (a map
 * from path to bytes), the runtime opens it; this is what they agree on.
 */

/** Version of the layout below. A bundle of another version is refused. */
export const bundleFormat = 4;

/** What can carry out a bundle: the processes of this machine, by `segments/`; or PyTorch, by `torch/`. */
export const executors = ['local', 'torch'] as const;
export type Executor = (typeof executors)[number];

/** `manifest.json`. */
export type Manifest = {
  readonly format: number;
  /** Version of the compiler that wrote it, for people. */
  readonly compiler: string;
  /** SHA-256 (hex) of the Model's text: checkpoints carry it, so a run may go on under another plan. */
  readonly model: string;
  /** SHA-256 (hex) of the hashes of the plan's files: what a profile belongs to. */
  readonly plan: string;
  /** What replaced the top-level `let`s of the text (`--set side=512`). */
  readonly sets: Readonly<Record<string, string>>;
  /** Threads of each device. */
  readonly threads: number;
  /** Those whose files are in the bundle. */
  readonly executors: readonly Executor[];
  /** SHA-256 (hex) of every file but the manifest, by its path in the bundle (`/` between folders). */
  readonly files: Readonly<Record<string, string>>;
};

/** Paths in a bundle. */
export const bundlePaths = {
  manifest: 'manifest.json',
  /** What is executed, but for the programs of the roles (`plan-files.ts`). */
  plan: 'plan.json',
  /** `originTable` of the plan, for executors that do not know the ops' regions. */
  origins: 'origins.json',
  schedule: 'schedule',
  /** The machine that it was planned for; absent where none was named. */
  machine: 'machine',
  /** Why this schedule (`Decision`), as JSON; absent where nothing was searched. */
  decision: 'decision.json',
  model: 'model.unet',
  /** The PyTorch executor; `run.py` in it is what launchers start. */
  torch: 'torch',
  /** Beside the files of the manifest: a bundle for each size of image (`512x512`) that is scored while it trains. */
  predictions: 'predictions',
} as const;

/** Where the program of the role of that name lies. */
export const rolePath = (name: string): string => `roles/${name}.json`;

/** Where the compiled segment of that name lies. */
export const segmentPath = (name: string): string => `segments/${name}.onnx`;
