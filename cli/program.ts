import { Command, type CommanderError } from 'commander';
import { registerCalibrate } from './commands/calibrate.ts';
import { registerCheck } from './commands/check.ts';
import { registerCompile } from './commands/compile.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerEvaluate } from './commands/evaluate.ts';
import { registerExplain } from './commands/explain.ts';
import { registerExport } from './commands/export.ts';
import { registerFmt } from './commands/fmt.ts';
import { registerInspect } from './commands/inspect.ts';
import { registerOpt } from './commands/opt.ts';
import { registerPredict } from './commands/predict.ts';
import { registerRun } from './commands/run.ts';
import { registerScale } from './commands/scale.ts';
import { registerStage } from './commands/stage.ts';
import { registerVerify } from './commands/verify.ts';
import { version } from './version.ts';

/** Every command, in the order of `unetc --help`: that in which they are used. */
const commands = [
  registerCheck,
  registerFmt,
  registerExplain,
  registerCompile,
  registerInspect,
  registerScale,
  registerVerify,
  registerRun,
  registerEvaluate,
  registerPredict,
  registerExport,
  registerStage,
  registerOpt,
  registerCalibrate,
  registerDoctor,
];

export function createProgram(): Command {
  const program = new Command('unetc')
    .description(
      'Compiles a U-Net, written as a short text, into an execution plan for many devices, proves the plan sound, and runs it.',
    )
    .version(version())
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows what there is)')
    .configureHelp({ showGlobalOptions: false });
  for (const register of commands) register(program);
  for (const command of [program, ...program.commands]) command.exitOverride(leave);
  return program;
}

/** Help and version end with 0; anything commander refuses is wrong usage. */
function leave(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? 0 : 2);
}
