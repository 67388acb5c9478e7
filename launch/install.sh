#!/usr/bin/env bash
# Installs tf_videogen, editable, with exactly the packages of one of the two sets into .venv, a
# virtual environment in the root of the checkout: constraints.txt with TensorFlow 2.15 on Python
# 3.11 or 3.10, constraints-2.20.txt with TensorFlow 2.20 on Python 3.12 or 3.13. Where there is
# none of these Pythons, it fetches one with uv, which any Python's pip brings. Run again, it
# returns at once unless something changed; what was once chosen stays chosen.
#
#   launch/install.sh
#
# Environment:
#   PYTHON            the interpreter that makes the environment; default: the first of python3.11,
#                     python3.10, python3.12 and python3.13 that is there
#   TF_VIDEOGEN_TENSORFLOW  2.15 or 2.20; default: what is installed, else the Python's. 2.20 goes
#                     with Python 3.11, too
#   TF_VIDEOGEN_CUDA  yes or no: whether CUDA's packages are installed (the extra `cuda`); default:
#                     yes where nvidia-smi finds a GPU, or where they are installed
#   TF_VIDEOGEN_VENV  where the environment is; default: .venv in the root of the checkout
#   TF_VIDEOGEN_TPU_WHEELS  folder with a TPU VM's own TensorFlow; default: /usr/share/tpu.
#                     none: stay with the package index's, which knows no TPU
#
# An index or certificates that pip has been told of (environment or pip.conf) are told to uv, too.
set -euo pipefail

root="$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="${TF_VIDEOGEN_VENV:-$root/.venv}"
[[ "$venv" == /* ]] || venv="$PWD/$venv"
python="$venv/bin/python"
stamp="$venv/tf_videogen.installed"
cd -- "$root"

say() { echo "install: $*" >&2; }

# What is installed: the line of TensorFlow, the extras, a digest of what they were installed from.
old_line='' old_extras='' old_digest=''
[[ ! -f "$stamp" ]] || read -r old_line old_extras old_digest < "$stamp" || true

asked="${TF_VIDEOGEN_TENSORFLOW:-}"
[[ -n "$asked" || -n "${PYTHON:-}" || -z "$old_digest" ]] || asked="$old_line"
# The Pythons of that line of TensorFlow, the preferred ones first.
case "$asked" in
  '') pythons=(3.11 3.10 3.12 3.13) ;;
  2.15) pythons=(3.11 3.10) ;;
  2.20) pythons=(3.12 3.13 3.11) ;;
  *) say "TF_VIDEOGEN_TENSORFLOW=$asked: there are 2.15 and 2.20"; exit 1 ;;
esac
those="Python$(printf ', %s' "${pythons[@]}" | sed 's/^,//; s/\(.*\),/\1 or/')"

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Whether an interpreter is one of those. A name that is there need not run: pyenv has such names.
usable() {
  local version
  version="$(version_of "$1")" && [[ " ${pythons[*]} " == *" $version "* ]]
}

find_python() {
  if [[ -n "${PYTHON:-}" ]]; then
    usable "$PYTHON" && echo "$PYTHON" && return
    say "PYTHON=$PYTHON does not run, or is not $those"
    return 1
  fi
  local candidate
  for candidate in "${pythons[@]/#/python}" python3 python; do
    usable "$candidate" && echo "$candidate" && return
  done
  fetch_python
}

# Has uv fetch the preferred Python. Any Python with pip brings uv, where it is not there.
fetch_python() {
  local candidate scratch uv=uv found=''
  say "found no $those: fetching Python ${pythons[0]} with uv"
  scratch="$(mktemp -d)"
  for candidate in '' python3 python; do
    if [[ -n "$candidate" ]]; then
      "$candidate" -m pip install --quiet --target "$scratch" uv >/dev/null 2>&1 || continue
      uv="$scratch/bin/uv"
    fi
    "$uv" --version >/dev/null 2>&1 || continue
    [[ -z "$candidate" ]] || tell_uv SSL_CERT_FILE cert "$candidate"
    "$uv" python install --quiet "${pythons[0]}" >&2 || continue
    found="$("$uv" python find --managed-python "${pythons[0]}")" || continue
    break
  done
  rm -rf -- "$scratch"
  usable "$found" && echo "$found" && return
  say "that failed. Install one, on Debian and Ubuntu: apt install python3 python3-venv; or name it: PYTHON=/path/to/python${pythons[0]}"
  return 1
}

# Sets the line of TensorFlow that an interpreter gets, and what is installed.
choose_line() {
  case "${asked:-$(version_of "$1")}" in
    2.15 | 3.10 | 3.11) line=2.15 constraints=constraints.txt ;;
    *) line=2.20 constraints=constraints-2.20.txt ;;
  esac
  export TF_VIDEOGEN_TENSORFLOW="$line"  # setup.py asks for it
}

# Whether CUDA's packages are to be installed.
wants_cuda() {
  case "${TF_VIDEOGEN_CUDA:-}" in
    yes) ;;
    no) return 1 ;;
    '') [[ "$old_extras" == *cuda* || "$(nvidia-smi --list-gpus 2>/dev/null)" == GPU* ]] ;;
    *) say "TF_VIDEOGEN_CUDA=$TF_VIDEOGEN_CUDA: there are yes and no"; exit 1 ;;
  esac
}

# What the environment holds when it is up to date: the line, the requirements, for this checkout.
wanted() {
  "$python" - "$line" "$root" "$extras" setup.py "$constraints" tf_videogen/__init__.py <<'END'
import hashlib, sys
line, *words = sys.argv[1:]
digest = hashlib.sha256(' '.join([line, *words]).encode())
for path in words[2:]:
  digest.update(open(path, 'rb').read())
print(line, words[1], digest.hexdigest())
END
}

# The value that the pip of $2 has for a setting, the environment's first, or nothing.
pip_setting() {
  "$2" -m pip config list 2>/dev/null | sed -n "s/^[a-z:]*\.$1='\(.*\)'\$/\1/p" | head -n 1
}

# Exports $1 with the setting $2 of the pip of $3, unless $1 is set or there is no such setting.
tell_uv() {
  local value
  [[ -z "${!1:-}" ]] || return 0
  value="$(pip_setting "$2" "$3")"
  [[ -z "$value" ]] || export "$1=$value"
}

unset PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX  # nothing but the environment's own
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_CONSTRAINT PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK=1

extras='test'
if wants_cuda; then extras='test,cuda'; fi
base="$python"
if ! usable "$python" ||
    [[ -n "${PYTHON:-}" && "$(version_of "$PYTHON")" != "$(version_of "$python")" ]]; then
  base="$(find_python)"
fi
choose_line "$base"

if [[ "$base" == "$python" && "$old_line $old_extras $old_digest" == "$(wanted)" ]]; then
  exit 0
fi

if [[ "$base" == "$python" && ( -z "$old_line" || "$old_line" == "$line" ) ]] &&
    "$python" -m pip --version >/dev/null 2>&1; then
  say "using the virtual environment $venv with $("$python" --version)"
else
  if [[ "$base" == "$python" ]]; then
    base="$(find_python)"
    choose_line "$base"
  fi
  say "making the virtual environment $venv with $("$base" --version)"
  if ! "$base" -m venv --clear -- "$venv"; then
    say "$base cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"
    exit 1
  fi
fi
rm -f -- "$stamp"

what="the packages of $constraints, with TensorFlow $line"
[[ "$extras" == test ]] || what+=' and CUDA'
say "installing $what; this takes 1 to 5 minutes"
tell_uv UV_DEFAULT_INDEX index-url "$python"
tell_uv UV_HTTP_TIMEOUT default-timeout "$python"
tell_uv SSL_CERT_FILE cert "$python"
if ! { "$python" -m pip install --quiet -c "$constraints" pip uv &&
    "$python" -m uv pip install --python "$python" --quiet --compile-bytecode \
        --refresh-package tf-videogen \
        -c "$constraints" --build-constraints "$constraints" -e ".[$extras]"; }; then
  say 'uv failed; trying pip, which takes a few minutes longer'
  PIP_CONSTRAINT="$constraints" PIP_BUILD_CONSTRAINT="$constraints" \
      "$python" -m pip install --quiet -e ".[$extras]"
fi

# Images of TPU VMs bring the TensorFlow that knows the TPU; the index's does not.
has_tpu() {
  local device
  for device in ${TF_VIDEOGEN_TPU_DEVICES:-/dev/accel0 /dev/vfio/0}; do  # tests name others
    [[ ! -e "$device" ]] || return 0
  done
  return 1
}

tag="$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')"
wheels="${TF_VIDEOGEN_TPU_WHEELS:-/usr/share/tpu}" knows_tpu=''
for wheel in "$wheels"/tensorflow-"$line"*-"$tag"-*.whl; do
  [[ -e "$wheel" ]] || continue
  say "installing $wheel, which knows the TPU"
  "$python" -m pip install --quiet --no-deps --force-reinstall -- "$wheel"
  if ! problem="$("$python" -c 'import tensorflow' 2>&1)"; then
    say "$wheel does not go with the packages of $constraints: ${problem##*$'\n'}"
    exit 1
  fi
  knows_tpu=yes
done
if [[ -z "$knows_tpu" && "$wheels" != none ]] && has_tpu; then
  say "this machine has a TPU, and $wheels has no TensorFlow $line for $tag that knows it: name its folder with TF_VIDEOGEN_TPU_WHEELS, take a runtime of TensorFlow $line for the TPU VM, or install for the processor alone with TF_VIDEOGEN_TPU_WHEELS=none"
  exit 1
fi
wanted > "$stamp"
say "done in $SECONDS seconds"
