/** The rank rules: what each launcher says in the environment, and what is refused. */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pythonTest, torchFolder } from '../tests/python.ts';

const code = `
import sys
from unetc_torch.errors import Refusal
from unetc_torch.launch import check_head, head_address, place
try:
    here = place(int(sys.argv[1]))
    head = head_address()
    if head[0] == "127.0.0.1":
        check_head(*head, here.world)
    print(here.rank, here.local, *head)
except Refusal as refusal:
    print(refusal)
`;

/** What a process of a plan for `devices` finds out. */
function saidBy(python: string, devices: number, environment: Readonly<Record<string, string>>): string {
  const env = { PATH: process.env.PATH ?? '', PYTHONPATH: torchFolder, PYTHONDONTWRITEBYTECODE: '1' };
  const args = ['-c', code, String(devices)];
  const { stdout, stderr } = spawnSync(python, args, { encoding: 'utf8', env: { ...env, ...environment } });
  return stdout.trim() || stderr;
}

const head = { MASTER_ADDR: 'a', MASTER_PORT: '9' };
const torchrun = { RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', ...head };
const srun = { SLURM_PROCID: '2', SLURM_STEP_NUM_TASKS: '4', SLURM_LOCALID: '0', SLURM_JOB_ID: '12345' };
const jsm = { JSM_NAMESPACE_RANK: '1', JSM_NAMESPACE_SIZE: '4', JSM_NAMESPACE_LOCAL_RANK: '1', ...head };
const mpi = {
  OMPI_COMM_WORLD_RANK: '0',
  OMPI_COMM_WORLD_SIZE: '4',
  OMPI_COMM_WORLD_LOCAL_RANK: '0',
  ...head,
};

pythonTest('numpy', 'each launcher says which rank a process is', (python) => {
  const cases: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [torchrun, '3 1 a 9'],
    [{ ...srun, ...head }, '2 0 a 9'],
    [{ ...srun, SLURM_STEP_NODELIST: 'n[03-05,7],m1' }, '2 0 n03 32345'],
    [{ ...srun, SLURM_STEP_NODELIST: 'm1,n2' }, '2 0 m1 32345'],
    [{ ...srun, SLURM_STEP_NODELIST: 'rack2-n[8]-x' }, '2 0 rack2-n8-x 32345'],
    [jsm, '1 1 a 9'],
    [mpi, '0 0 a 9'],
    [{ PMIX_RANK: '2', ...head }, '2 2 a 9'],
    // torchrun inside of a job of Slurm.
    [{ ...srun, ...torchrun }, '3 1 a 9'],
  ];
  for (const [environment, said] of cases) assert.is(saidBy(python, 4, environment), said);
});

pythonTest('numpy', 'a world of another size is refused, with the launcher named', (python) => {
  assert.is(saidBy(python, 6, torchrun), 'the plan is for 6 processes, one a device, but torchrun started 4');
  assert.match(saidBy(python, 2, srun), /but srun started 4$/);
  assert.match(saidBy(python, 2, {}), /but 1 was started, without a launcher$/);
  // A batch script is no rank.
  assert.match(saidBy(python, 2, { SLURM_PROCID: '0', SLURM_NTASKS: '2' }), /without a launcher$/);
  assert.match(saidBy(python, 4, { ...torchrun, RANK: '4' }), /^RANK is 4, and there are 4 processes$/);
  assert.match(saidBy(python, 4, { ...torchrun, RANK: 'x' }), /^RANK is 'x', no number$/);
  assert.match(saidBy(python, 4, { ...jsm, MASTER_ADDR: '' }), /^MASTER_ADDR is not set/);
  assert.match(saidBy(python, 4, { ...jsm, MASTER_PORT: '' }), /^MASTER_PORT is not set/);
});

pythonTest('numpy', 'a head that other nodes cannot reach is refused', (python) => {
  const loopback = { MASTER_ADDR: '127.0.0.1', MASTER_PORT: '9' };
  const says = (environment: Readonly<Record<string, string>>) =>
    saidBy(python, 4, { ...environment, ...loopback });
  assert.match(
    says({ ...torchrun, LOCAL_WORLD_SIZE: '2' }),
    /^MASTER_ADDR 127.0.0.1 is 127.0.0.1 on this node/,
  );
  assert.match(says({ ...srun, SLURM_STEP_NUM_NODES: '2' }), /where other nodes do not reach it/);
  assert.match(says({ ...jsm, JSM_NAMESPACE_LOCAL_SIZE: '2' }), /where other nodes do not reach it/);
  // All on one node.
  assert.is(says({ ...torchrun, LOCAL_WORLD_SIZE: '4' }), '3 1 127.0.0.1 9');
  assert.is(says({ ...srun, SLURM_STEP_NUM_NODES: '1' }), '2 0 127.0.0.1 9');
});

test.run();
