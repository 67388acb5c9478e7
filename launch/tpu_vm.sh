#!/usr/bin/env bash
# Trains on a Cloud TPU: rents it, installs this checkout, prepares the data in a bucket, trains,
# shows the log, and gives the TPU back. Needs gcloud, logged in, with a project.
#
#   launch/tpu_vm.sh --name=bair --zone=europe-west4-a --type=v3-8 --bucket=gs://my-bucket \
#       --dataset=bair_clips/original [STEP ...] -- --gin_file=videogpt/bair_vqvae.gin
#
# Steps: create install prepare run follow, these by default; sample and delete if asked for.
# What stands after -- goes to launch.train (to launch.sample, if sample is the only step); the model
# directory is <bucket>/runs/<run>. Steps can be repeated when no training runs there: training goes
# on from its latest checkpoint, also on another TPU.
#
#   --copy=P      a file or folder of yours, such as a gin file that is not committed: goes to the
#                 TPU at the step run, under the name that it has here; may be repeated
#   --run=R       a run's name; default: --name  --spot      cheaper, may be taken away at any time
#   --project=P   instead of gcloud's own        --dry_run   print every command, run none
#   --runtime=R   instead of TensorFlow 2.15.1's
set -euo pipefail

root="$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
name='' run='' zone='' type='' bucket='' dataset='' project='' runtime='' spot=() dry_run='' steps=() training=() copies=()

say() { echo "tpu_vm: $*" >&2; }
fail() { say "$*"; exit 2; }

while (($#)); do
  case "$1" in
    --name=*) name="${1#*=}" ;;
    --run=*) run="${1#*=}" ;;
    --zone=*) zone="${1#*=}" ;;
    --type=*) type="${1#*=}" ;;
    --bucket=*) bucket="${1#*=}"; bucket="${bucket%/}" ;;
    --dataset=*) dataset="${1#*=}" ;;
    --project=*) project="${1#*=}" ;;
    --runtime=*) runtime="${1#*=}" ;;
    --copy=*) copies+=("${1#*=}") ;;
    --spot) spot=(--spot) ;;
    --dry_run) dry_run=yes ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    create | install | prepare | run | follow | sample | delete) steps+=("$1") ;;
    --) shift; training=("$@"); break ;;
    *) fail "unknown argument $1 (see --help)" ;;
  esac
  shift
done

wants() { [[ -n "${!1}" ]] || fail "--$1 is missing: the step '$2' needs it"; }

[[ -n "$name" ]] || fail '--name is missing: how the TPU is to be called'
[[ -n "$zone" ]] || fail '--zone is missing, such as europe-west4-a'
[[ -z "$type" || "$type" =~ -[0-9]+$ ]] || fail "--type=$type must end in a number, such as v3-8"
[[ -z "$bucket" || "$bucket" == gs://?* ]] || fail "--bucket=$bucket must begin with gs://"
run="${run:-$name}"
((${#steps[@]})) || steps=(create install prepare run follow)
place=(--zone="$zone" ${project:+--project="$project"})

# Hosts of more than one: more than 8 cores of v2, v3, v4 and v5p, or more than 8 chips of others.
is_pod() { (("${type##*-}" > 8)); }

chosen_runtime() {
  local found=tpu-vm-tf-2.15.1
  is_pod && found+=-pod
  case "$type" in
    v2-* | v3-* | v4-*) found+=-se ;;
    *) found+=-pjrt ;;
  esac
  echo "${runtime:-$found}"
}

# What TensorFlow wants to be told, assignments for a shell. On a pod the hosts run the TPU: a process
# that loaded its library would fight them for the chips.
environment() {
  echo -n "TFDS_DATA_DIR=$bucket/data"
  if is_pod; then
    echo -n ' TPU_LOAD_LIBRARY=0'
  elif [[ "$(chosen_runtime)" == *-pjrt ]]; then
    echo -n ' NEXT_PLUGGABLE_DEVICE_USE_C_API=true TF_PLUGGABLE_DEVICE_LIBRARY_PATH=/lib/libtpu.so'
  fi
}

# Prints a word as a shell and a reader understand it.
quoted() {
  case "$1" in
    '' | *[!A-Za-z0-9_@%+=:,./-]*) printf "'%s' " "${1//\'/\'\\\'\'}" ;;
    *) printf '%s ' "$1" ;;
  esac
}

call() {
  local word
  [[ -n "$dry_run" ]] || { "$@"; return; }
  for word in "$@"; do quoted "$word"; done
  echo
}

tpus() { call gcloud compute tpus "$@" "${place[@]}"; }
on() { tpus tpu-vm ssh "$name" --worker="$1" --command="$2"; }  # a worker's number, or all
state() {
  gcloud compute tpus queued-resources describe "$name" "${place[@]}" --format='value(state.state)'
}

request() {
  tpus queued-resources create "$name" --node-id="$name" --accelerator-type="$type" \
      --runtime-version="$(chosen_runtime)" ${spot[@]+"${spot[@]}"}
}

# Google's list of runtimes changes; what is not in it would be refused only after the queue.
known_runtime() {
  local wanted found
  wanted="$(chosen_runtime)"
  found="$(tpus tpu-vm versions list --format='value(name.basename())')" || fail 'gcloud lists no runtimes'
  [[ -n "$dry_run" ]] && echo "$found" && return
  grep -qxF -- "$wanted" <<< "$found" || fail "$zone has no runtime $wanted; name one of these with --runtime: $(
    grep -F tf- <<< "$found" | paste -sd ' ')"
}

drop() { tpus queued-resources delete "$name" --force --quiet; }

create() {
  known_runtime
  if [[ -n "$dry_run" ]]; then
    request
    echo "# wait until 'queued-resources describe $name' says ACTIVE; after SUSPENDED:"
    drop
    request
    return
  fi
  local now
  state > /dev/null 2>&1 || request  # a request of this name may be there already
  while true; do
    now="$(state)" || fail "$name cannot be asked for; the same command waits on"
    case "$now" in
      ACTIVE) return ;;
      SUSPENDED) drop; request ;;  # such a request is never queued again
      FAILED) fail "the request failed: see 'gcloud compute tpus queued-resources describe $name', then delete it" ;;
    esac
    say "$(date +%H:%M:%S) $name is $now"
    sleep "${TF_VIDEOGEN_POLL_SECONDS:-30}"  # tests don't wait
  done
}

# Installing, and sampling, would pull the ground from under a training.
service=tf_videogen/launch/training_service.sh
idle="{ [ ! -e $service ] || $service idle; }"

install() {
  local folder venv
  folder="$(mktemp -d)"
  git -C "$root" diff --quiet HEAD || say 'changes that are not committed stay here'
  call git -C "$root" archive --prefix=tf_videogen/ --output="$folder/tf_videogen.tar.gz" HEAD
  tpus tpu-vm scp "$folder/tf_videogen.tar.gz" "$name:tf_videogen.tar.gz" --worker=all
  rm -rf -- "$folder"
  venv='{ python3 -c "import ensurepip" 2> /dev/null ||
sudo apt-get -o DPkg::Lock::Timeout=600 install -y python3-venv; }'
  on all "$idle && rm -rf tf_videogen && tar -xzf tf_videogen.tar.gz && ${venv//$'\n'/ } && tf_videogen/launch/install.sh"
}

# Files of the user's go into the checkout, where programs run.
copy() {
  local folder
  folder="$(mktemp -d)"
  call tar -czf "$folder/copies.tar.gz" -- "${copies[@]}"
  tpus tpu-vm scp "$folder/copies.tar.gz" "$name:copies.tar.gz" --worker=all
  rm -rf -- "$folder"
  on all "$idle && tar -xzf copies.tar.gz -C tf_videogen"
}

# Fails where a config, or one that it includes, is neither in the last commit, nor in the cloud, nor
# among what is copied.
check_config() {
  local config="$1" copied included found=''
  [[ "$config" != gs://* ]] || return 0
  for copied in ${copies[@]+"${copies[@]}"}; do
    copied="${copied#./}"
    for found in "$config" "gin/$config"; do
      [[ "${found#./}/" == "${copied%/}"/* ]] && break 2
      found=''
    done
  done
  if [[ -z "$found" ]]; then
    git -C "$root" cat-file -e "HEAD:gin/$config" 2> /dev/null ||
      git -C "$root" cat-file -e "HEAD:$config" 2> /dev/null ||
      fail "the config $config is not in the last commit, which is what goes to the TPU: commit it, or add --copy=$config"
  elif [[ -f "$found" ]]; then
    while read -r included; do
      check_config "$included"
    done < <(sed -n "s/^include  *['\"]\(.*\)['\"].*/\1/p" "$found")
  fi
}

check_configs() {
  local argument before=''
  for argument in ${training[@]+"${training[@]}"}; do
    [[ "$argument" != -*gin_file=* ]] || check_config "${argument#*gin_file=}"
    [[ "$before" != --gin_file && "$before" != -gin_file ]] || check_config "$argument"
    before="$argument"
  done
}

in_checkout() { echo "cd tf_videogen && export $(environment) && $1"; }

prepare() {
  on 0 "$(in_checkout "$(printf '%q ' .venv/bin/python -m launch.prepare --dataset="$dataset" \
      --data_dir="$bucket/data")")"
}

train() {
  local tpu=local command
  if is_pod; then tpu="$name"; fi
  command="$(printf '%q ' launch/training_service.sh start .venv/bin/python -m launch.restarts -- \
      --model_dir="$bucket/runs/$run" --data_dir="$bucket/data" --strategy=tpu --tpu="$tpu" \
      "${training[@]}")"
  on 0 "$(in_checkout "$command")"
}

# Ends with the training, and with its status.
follow() { on 0 "$service follow"; }

sample() {
  local arguments=()
  ((${#steps[@]} > 1)) || arguments=(${training[@]+"${training[@]}"})
  on 0 "$idle && $(in_checkout "$(printf '%q ' .venv/bin/python -m launch.sample \
      --model_dir="$bucket/runs/$run" --strategy=tpu ${arguments[@]+"${arguments[@]}"})")"
  call gcloud storage cp --recursive "$bucket/runs/$run/samples" .
}

# Before the first step: nothing is rented for a mistake.
for step in "${steps[@]}"; do
  case "$step" in
    create)
      wants type create
      [[ "$type" != v6e-* || -n "$runtime" ]] ||
        fail "nobody has tried TensorFlow 2.15 on $type: take an earlier generation, or name a runtime with --runtime" ;;
    prepare) wants bucket prepare; wants dataset prepare; wants type prepare ;;
    run | sample) wants bucket "$step"; wants type "$step" ;;
  esac
  [[ "$step" != run ]] || ((${#training[@]})) ||
    fail "the step 'run' needs what launch.train is to do: -- --gin_file=..."
  [[ "$step" != run ]] || check_configs
  [[ "$step" != sample ]] || ! is_pod ||
    fail "the step 'sample' is for one host: use a TPU of 8 cores, or a machine without one"
done

for copied in ${copies[@]+"${copies[@]}"}; do
  [[ "$copied" != /* && "/$copied/" != */../* ]] ||
    fail "--copy=$copied must be below the current folder: go to the folder that has it"
  [[ -e "$copied" ]] || fail "--copy=$copied is not there"
done

for step in "${steps[@]}"; do
  say "$step"
  case "$step" in
    create) create ;;
    install) install ;;
    prepare) prepare ;;
    run)
      ((${#copies[@]} == 0)) || copy
      train ;;
    follow) follow ;;
    sample) sample ;;
    delete) drop ;;
  esac
done
