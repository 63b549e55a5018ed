#!/usr/bin/env bash
# Run wiseft under SLURM, one task a GPU; the batch system starts it again after exit code 42 (interrupted, saved):
#   sbatch --nodes=2 scripts/launch_slurm.sh run pod/vit_b16 --data.train ... --out /shared/run
#   scripts/launch_slurm.sh --print run ...    shows what would be run, and runs nothing
# Options of sbatch win over the lines below. JAX finds the other tasks by SLURM's variables and gives each task the GPU of
# its local number, so all GPUs of a node stay visible to all tasks (no --gpus-per-task). For one task a node with all its
# GPUs: --ntasks-per-node=1, and JAX_LOCAL_DEVICE_IDS=0,1,... in the environment. 120 s before the time limit every task
# gets SIGTERM: the run saves and ends with 42. Environment: PYTHON (python3).
#SBATCH --job-name=wiseft
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --gpu-bind=none
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=wiseft-%j.log
set -euo pipefail

print=false
[[ ${1:-} == --print ]] && { print=true && shift; }
[[ $# -ge 1 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
[[ " $* " == *" --out "* || " $* " == *" --out="* ]] || { echo "launch_slurm.sh: give --out: a restart needs it" >&2 && exit 2; }

command=(srun --gpu-bind=none "${PYTHON:-python3}" -m wiseft_jax "$@" --resume)
if $print; then
  grep '^#SBATCH' "$0"
  printf '%q ' "${command[@]}" && echo
  exit 0
fi
[[ -n ${SLURM_JOB_ID:-} ]] || { echo "launch_slurm.sh: start it with sbatch" >&2 && exit 2; }
code=0
"${command[@]}" || code=$?
echo "launch_slurm.sh: exit code $code"
if [[ $code -eq 42 ]]; then
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$code"
