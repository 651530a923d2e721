import { type Job, nodesOf, scriptOf, WARNING } from './job.ts';

/** Cores of a resource set on Summit: 42 of a node for 6 GPUs. */
const CORES = 7;

/**
 * A script for `bsub` on a machine with `jsrun`: one resource set a rank, with its cores and its GPU. The node that
 * runs the script is none of those that compute, so `jsrun` itself says where rank 0 will be.
 */
export function lsfScript(job: Job): string {
  const directives = [
    `-J ${job.name}`,
    `-nnodes ${nodesOf(job)}`,
    `-o ${job.name}.%J.log`,
    '-wa USR1',
    `-wt ${WARNING / 60}`,
  ];
  const [cores, gpus] = [job.cores ?? CORES, job.gpus ? 1 : 0];
  return scriptOf({
    job,
    directives: directives.map((directive) => `#BSUB ${directive}`),
    head: [
      '# The warning before the time limit is for the ranks, to which jsrun passes it on.',
      'trap : USR1',
      'export MASTER_ADDR=$(jsrun -n 1 -a 1 -c 1 hostname)',
    ],
    jobNumber: 'LSB_JOBID',
    launch: `jsrun -n ${job.ranks} -r ${job.perNode} -a 1 -c ${cores} -g ${gpus} -b rs -d packed`,
  });
}
