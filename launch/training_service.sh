#!/usr/bin/env bash
# Trains on a TPU VM as a service of its system: training goes on after a maintenance of the machine,
# which reboots it, and its status is known. tpu_vm.sh calls this, on the TPU VM.
#
#   launch/training_service.sh start COMMAND ...   starts a command in this checkout
#   launch/training_service.sh idle                nothing, or status 1 if training runs
#   launch/training_service.sh follow              shows the log until training ends, with its status
#
# The log is ~/train.log. Needs sudo without a password, as TPU VMs have it.
set -euo pipefail

root="$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
service=tf_videogen
units="${TF_VIDEOGEN_UNITS:-/etc/systemd/system}"  # tests have a folder of their own
script="$HOME/train.sh" log="$HOME/train.log"

say() { echo "training_service: $*" >&2; }
of_service() { systemctl show "$service" --property="$1" --value; }

# Also between a reboot and the start of what was interrupted by it.
runs() {
  local state
  state="$(of_service ActiveState)"
  case "$state" in
    active | activating | deactivating | reloading) return 0 ;;
    inactive) [[ "$(systemctl is-enabled "$service" 2> /dev/null)" == enabled ]] ;;
    failed) return 1 ;;
    *) say "systemctl does not tell whether training runs: '$state'"; exit 1 ;;
  esac
}

# A reboot starts again what it, or the loss of the TPU, has interrupted; not what is done (0) nor what
# a mistake has ended (1 and 2). A TPU's driver pins memory.
unit() {
  cat <<END
[Unit]
Description=Training of tf_videogen
Wants=network-online.target
After=network-online.target

[Service]
User=$(id -un)
ExecStart=/bin/bash $script
ExecStopPost=+/bin/sh -c 'case "\$EXIT_CODE:\$EXIT_STATUS" in exited:[012]) systemctl disable $service ;; esac'
LimitMEMLOCK=infinity
LimitNOFILE=1048576
StandardOutput=append:$log
StandardError=append:$log
KillMode=mixed
TimeoutStopSec=300
Restart=on-abnormal
RestartSec=30

[Install]
WantedBy=multi-user.target
END
}

start() {
  # What the command reads of the environment, as it is now.
  { printf 'cd -- %q || exit\n' "$root"
    printf 'export'; for name in TFDS_DATA_DIR TPU_LOAD_LIBRARY NEXT_PLUGGABLE_DEVICE_USE_C_API \
        TF_PLUGGABLE_DEVICE_LIBRARY_PATH GCS_READ_CACHE_BLOCK_SIZE_MB; do
      [[ -z "${!name:-}" ]] || printf ' %q' "$name=${!name}"
    done; printf '\nexec'; printf ' %q' "$@"; echo; } > "$script"
  : > "$log"
  unit | sudo tee "$units/$service.service" > /dev/null
  sudo systemctl daemon-reload
  sudo systemctl enable --quiet "$service"
  sudo systemctl start "$service"
}

idle() {
  ! runs || { say 'training runs there: see the step follow'; exit 1; }
}

follow() {
  [[ -e "$script" ]] || { say 'nothing was trained there'; exit 1; }
  tail -n 100 -F "$log" 2> /dev/null &
  while runs; do sleep 2; done
  sleep 1
  kill $! 2> /dev/null || :
  local status
  status="$(of_service ExecMainStatus)"
  [[ "$status" == 0 ]] || say "training ended with status $status"
  exit "$status"
}

case "${1:-}" in
  start) shift; idle; start "$@" ;;
  idle) idle ;;
  follow) follow ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
