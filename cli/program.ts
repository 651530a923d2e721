import { Command, type CommanderError } from 'commander';
import { version } from './version.ts';

/** Every command, in the order of `unetc --help`: that in which they are used. Each is loaded where it is asked for. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  check: async () => (await import('./commands/check.ts')).registerCheck,
  fmt: async () => (await import('./commands/fmt.ts')).registerFmt,
  explain: async () => (await import('./commands/explain.ts')).registerExplain,
  compile: async () => (await import('./commands/compile.ts')).registerCompile,
  inspect: async () => (await import('./commands/inspect.ts')).registerInspect,
  scale: async () => (await import('./commands/scale.ts')).registerScale,
  verify: async () => (await import('./commands/verify.ts')).registerVerify,
  run: async () => (await import('./commands/run.ts')).registerRun,
  evaluate: async () => (await import('./commands/evaluate.ts')).registerEvaluate,
  predict: async () => (await import('./commands/predict.ts')).registerPredict,
  export: async () => (await import('./commands/export.ts')).registerExport,
  stage: async () => (await import('./commands/stage.ts')).registerStage,
  opt: async () => (await import('./commands/opt.ts')).registerOpt,
  calibrate: async () => (await import('./commands/calibrate.ts')).registerCalibrate,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
};

/** The program with the command that is asked for, or, where there is none of that name, with all. */
export async function createProgram(asked = ''): Promise<Command> {
  const program = new Command('unetc')
    .description(
      'Compiles a U-Net, written as a short text, into an execution plan for many devices, proves the plan sound, and runs it.',
    )
    .version(version())
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows what there is)')
    .configureHelp({ showGlobalOptions: false });
  const known = Object.hasOwn(commands, asked) ? [commands[asked]] : Object.values(commands);
  for (const load of known) (await load?.())?.(program);
  for (const command of [program, ...program.commands]) command.exitOverride(leave);
  return program;
}

/** Help and version end with 0; anything commander refuses is wrong usage. */
function leave(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? 0 : 2);
}
