#!/usr/bin/env bash
# Run wiseft on every host of a TPU VM slice, again after a preemption, until it is done:
#   scripts/launch_tpu.sh [--print] NAME ZONE run pod/vit_b16 --data.train ... --out /shared/run
# NAME must exist, with wiseft-jax[tpu] installed on its hosts and --out on a file system that all of them mount.
# --print shows the command and runs nothing. After exit code 42 (interrupted, saved) it starts again at once; if the hosts
# didn't meet (1), up to MAX_MEETINGS times in a row; after any other failure only if the slice isn't READY (it was
# preempted), once it is. Environment: PYTHON (python3 on the hosts), RECREATE (a command that creates a preempted slice
# again, with all that is installed; without it somebody must), MAX_RESTARTS (100), MAX_MEETINGS (3), WAIT_SECS (60,
# between questions), GCLOUD_FLAGS (--project=..., --internal-ip).
set -euo pipefail

print=false
[[ ${1:-} == --print ]] && { print=true && shift; }
[[ $# -ge 3 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
name=$1 zone=$2
shift 2
[[ " $* " == *" --out "* || " $* " == *" --out="* ]] || { echo "launch_tpu.sh: give --out: a restart needs it" >&2 && exit 2; }

read -ra flags <<<"${GCLOUD_FLAGS:-}"
# The hosts' shells report the exit code in a line of their own: gcloud doesn't pass it on.
remote="$(printf '%q ' "${PYTHON:-python3}" -m wiseft_jax "$@" --resume); echo \"wiseft exit code \$?\""
ssh=(gcloud compute tpus tpu-vm ssh "$name" "--zone=$zone" --worker=all ${flags[@]+"${flags[@]}"} "--command=$remote")
state=(gcloud compute tpus tpu-vm describe "$name" "--zone=$zone" ${flags[@]+"${flags[@]}"} "--format=value(state)")
ready() { [[ $("${state[@]}" 2>/dev/null || true) == READY ]]; }

if $print; then
  printf '%q ' "${ssh[@]}" && echo
  exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
meetings=1
for ((start = 0; start <= ${MAX_RESTARTS:-100}; start++)); do
  "${ssh[@]}" 2>&1 | tee "$log" || true
  codes=$(sed -n 's/.*wiseft exit code \([0-9]*\).*/\1/p' "$log" | sort -nu | paste -sd' ')
  echo "launch_tpu.sh: exit codes of the hosts: ${codes:-none}"
  [[ $codes == 0 ]] && exit 0
  [[ $codes == 42 ]] && meetings=1 && continue
  sleep "${WAIT_SECS:-60}" # a preemption shows after a while
  if grep -q "the processes didn't meet" "$log" && [[ ! " $codes " =~ " "[23]" " ]] && ready; then
    ((meetings++ < ${MAX_MEETINGS:-3})) && continue
  fi
  ready && exit "$(sort -n <<<"${codes// /$'\n'}" | tail -n 1 | grep . || echo 1)"
  bash -c "${RECREATE:-true}"
  until ready; do
    echo "launch_tpu.sh: $name isn't READY; asking again in ${WAIT_SECS:-60} s"
    sleep "${WAIT_SECS:-60}"
  done
done
echo "launch_tpu.sh: given up after ${MAX_RESTARTS:-100} restarts" >&2
exit 1
