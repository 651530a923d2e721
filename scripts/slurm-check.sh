#!/usr/bin/env bash
# Job scripts in a real Slurm: slurmctld and slurmd of this machine, on loopback, with folders of their own. As root;
# Debian's packages `slurm-wlm` and `munge` (`apt-get install slurm-wlm munge`):
#
#   UNETC_PYTHON=.venv/bin/python scripts/slurm-check.sh
#
# What is done there is in `slurm-jobs.ts`. Not part of `npm test`.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(realpath -s "${UNETC_PYTHON:-$(command -v python3)}")
work=$(mktemp -d "${TMPDIR:-/tmp}/unetc-slurm-XXXXXX")
chmod 755 "$work"
for program in slurmctld slurmd munged sbatch; do
  command -v "$program" > /dev/null || { echo "$program is not here: apt-get install slurm-wlm munge" >&2; exit 2; }
done

daemons=()
finish() {
  scancel --user=root 2> /dev/null || true
  for pid in "${daemons[@]}"; do kill "$pid" 2> /dev/null || true; done
  wait
  rm -rf "$work"
}
trap finish EXIT

# The daemons.
host=$(hostname -s)
mkdir -p "$work"/{munge,state,spool,log}
dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none
chmod 400 "$work/munge/key"
cat > "$work/slurm.conf" <<CONF
ClusterName=check
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=60 State=UP
CONF
export SLURM_CONF="$work/slurm.conf"
munged --foreground --force --socket="$work/munge/socket" --key-file="$work/munge/key" \
  --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed" 2> /dev/null &
daemons+=($!)
sleep 1
slurmctld -D 2> /dev/null & daemons+=($!)
slurmd -D -N "$host" 2> /dev/null & daemons+=($!)
for _ in $(seq 60); do sinfo -h -o %t 2> /dev/null | grep -q idle && break; sleep 0.5; done
echo "$(slurmctld -V), nodes: $(sinfo -h -o '%D %t, %c cores')"

UNETC_PYTHON="$python" node --import tsx scripts/slurm-jobs.ts "$work"
