#!/usr/bin/env bash
# Run wiseft under SLURM, one task a GPU; the batch system starts it again after exit code 42 (interrupted, saved):
#   sbatch --nodes=2 scripts/launch_slurm.sh run pod/vit_b16 --data.train ... --out /shared/run
#   scripts/launch_slurm.sh --print run ...    shows what would be run, and runs nothing
# Options of sbatch win over the lines below. JAX finds the other tasks by SLURM's variables and gives each task the GPU of
# its local number, so all GPUs of a node stay visible to all tasks (no --gpus-per-task). For one task a node with all its
# GPUs: --ntasks-per-node=1, and JAX_LOCAL_DEVICE_IDS=0,1,... in the environment. 120 s before the time limit every task
# gets SIGTERM: the run saves and ends with 42. If the tasks didn't meet (1) it tries again in the same allocation.
# Environment: PYTHON (python3), MAX_MEETINGS (3, how often it tries), WAIT_SECS (30, before the next try).
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
[[ $# -ge 1 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
[[ " $* " == *" --out "* || " $* " == *" --out="* ]] || { echo "launch_slurm.sh: give --out: a restart needs it" >&2 && exit 2; }

command=(srun --gpu-bind=none "${PYTHON:-python3}" -m wiseft_jax "$@" --resume)
if $print; then
  grep '^#SBATCH' "$0"
  printf '%q ' "${command[@]}" && echo
  exit 0
fi
[[ -n ${SLURM_JOB_ID:-} ]] || { echo "launch_slurm.sh: start it with sbatch" >&2 && exit 2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for ((meeting = 1; ; meeting++)); do
  set +e
  "${command[@]}" 2>&1 | tee "$log"
  code=${PIPESTATUS[0]}
  set -e
  echo "launch_slurm.sh: exit code $code"
  [[ ! " 0 2 3 42 " == *" $code "* ]] && grep -q "the processes didn't meet" "$log" || break
  ((meeting < ${MAX_MEETINGS:-3})) || break
  sleep "${WAIT_SECS:-30}"
done
if [[ $code -eq 42 ]]; then
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$code"
