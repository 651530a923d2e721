/**
 * A bundle: the directory that `compile` writes and that is all a run needs. The compiler makes it (a map
 * from path to bytes), the runtime opens it; this is what they agree on.
 */

/** Version of the layout below. A bundle of another version is refused. */
export const bundleFormat = 1;

/** `manifest.json`. */
export type Manifest = {
  readonly format: number;
  /** Version of the compiler that wrote it, for people. */
  readonly compiler: string;
  /** SHA-256 (hex) of the Model's text: checkpoints carry it, so a run may go on under another plan. */
  readonly model: string;
  /** What replaced the top-level `let`s of the text (`--set side=512`). */
  readonly sets: Readonly<Record<string, string>>;
  /** Threads of each device. */
  readonly threads: number;
  /** SHA-256 (hex) of every file but the manifest, by its path in the bundle (`/` between folders). */
  readonly files: Readonly<Record<string, string>>;
};

/** Paths in a bundle. */
export const bundlePaths = {
  manifest: 'manifest.json',
  /** `JSON.stringify` of the Plan: what is executed. */
  plan: 'plan.json',
  /** `originTable` of the plan, for executors that do not know the ops' regions. */
  origins: 'origins.json',
  /** The same plan as text, to read. */
  planText: 'plan.ir',
  schedule: 'schedule',
  /** The machine that it was planned for; absent where none was named. */
  machine: 'machine',
  /** Why this schedule (`Decision`), as JSON; absent where nothing was searched. */
  decision: 'decision.json',
  model: 'model.unet',
} as const;

/** Where the compiled segment of that name lies. */
export const segmentPath = (name: string): string => `segments/${name}.onnx`;
