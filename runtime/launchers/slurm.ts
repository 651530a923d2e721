import { type Job, nodesOf, scriptOf, WARNING } from './job.ts';

/**
 * A script for `sbatch`. A node's GPUs are visible to all of its ranks, and each takes that of its own number, so
 * they reach each other directly.
 */
export function slurmScript(job: Job): string {
  const cores = job.cores === undefined ? [] : [`--cpus-per-task=${job.cores}`];
  const directives = [
    `--job-name=${job.name}`,
    `--nodes=${nodesOf(job)}`,
    `--ntasks=${job.ranks}`,
    `--ntasks-per-node=${job.perNode}`,
    ...cores,
    ...(job.gpus ? [`--gpus-per-node=${job.perNode}`] : []),
    '--output=%x-%j.log',
    '--open-mode=append',
    // Without `B:` the ranks are told, not this script.
    `--signal=USR1@${WARNING}`,
  ];
  return scriptOf({
    job,
    directives: directives.map((directive) => `#SBATCH ${directive}`),
    head: ['export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'],
    jobNumber: 'SLURM_JOB_ID',
    // Since 22.05 srun does not take the cores of a task from the job.
    launch: ['srun', `--ntasks=${job.ranks}`, ...cores, '--distribution=block', '--kill-on-bad-exit=1'].join(
      ' ',
    ),
  });
}
