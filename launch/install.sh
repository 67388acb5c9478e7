#!/usr/bin/env bash
# Installs tf_videogen, editable, with exactly the packages of constraints.txt into .venv, a virtual
# environment in the root of the checkout. Run again, it returns at once unless setup.py or
# constraints.txt have changed. Needs Python 3.11 or 3.10 and a network.
#
#   launch/install.sh
#
# Environment:
#   PYTHON            the interpreter that makes the environment; default: python3.11 or python3.10
#   TF_VIDEOGEN_VENV  where the environment is; default: .venv in the root of the checkout
#   TF_VIDEOGEN_TPU_WHEELS  folder with a TPU VM's own TensorFlow 2.15; default: /usr/share/tpu.
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

# Pythons that setup.py allows. A name that is there need not run: pyenv has such names.
usable() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 12))' 2>/dev/null
}

find_python() {
  if [[ -n "${PYTHON:-}" ]]; then
    usable "$PYTHON" && echo "$PYTHON" && return
    say "PYTHON=$PYTHON does not run or is neither Python 3.11 nor 3.10"
    return 1
  fi
  local candidate
  for candidate in python3.11 python3.10 python3 python; do
    usable "$candidate" && echo "$candidate" && return
  done
  say 'found neither Python 3.11 nor 3.10: install one, or name it: PYTHON=/path/to/python3.11'
  return 1
}

# What the environment holds when it is up to date: the requirements, for this checkout.
wanted() {
  "$python" - "$root" <<'END'
import hashlib, sys
digest = hashlib.sha256(sys.argv[1].encode())
for path in ('setup.py', 'constraints.txt', 'tf_videogen/__init__.py'):
  digest.update(open(path, 'rb').read())
print(digest.hexdigest())
END
}

# The value that pip has for a setting, the environment's first, or nothing.
pip_setting() {
  "$python" -m pip config list 2>/dev/null | sed -n "s/^[a-z:]*\.$1='\(.*\)'\$/\1/p" | head -n 1
}

# Exports $1 with pip's setting $2, unless $1 is set or pip has no such setting.
tell_uv() {
  local value
  [[ -z "${!1:-}" ]] || return 0
  value="$(pip_setting "$2")"
  [[ -z "$value" ]] || export "$1=$value"
}

unset PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX  # nothing but the environment's own
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_CONSTRAINT PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK=1

if usable "$python" && [[ -f "$stamp" && "$(cat -- "$stamp")" == "$(wanted)" ]]; then
  exit 0
fi

if usable "$python" && "$python" -m pip --version >/dev/null 2>&1; then
  say "using the virtual environment $venv with $("$python" --version)"
else
  base="$(find_python)"
  say "making the virtual environment $venv with $("$base" --version)"
  if ! "$base" -m venv --clear -- "$venv"; then
    say "$base cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"
    exit 1
  fi
fi
rm -f -- "$stamp"

say 'installing the packages of constraints.txt; this takes 1 to 5 minutes'
tell_uv UV_DEFAULT_INDEX index-url
tell_uv UV_HTTP_TIMEOUT default-timeout
tell_uv SSL_CERT_FILE cert
if ! { "$python" -m pip install --quiet -c constraints.txt pip uv &&
    "$python" -m uv pip install --python "$python" --quiet --compile-bytecode \
        -c constraints.txt --build-constraints constraints.txt -e '.[test]'; }; then
  say 'uv failed; trying pip, which takes a few minutes longer'
  PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
      "$python" -m pip install --quiet -e '.[test]'
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
for wheel in "$wheels"/tensorflow-2.15*-"$tag"-*.whl; do
  [[ -e "$wheel" ]] || continue
  say "installing $wheel, which knows the TPU"
  "$python" -m pip install --quiet --no-deps --force-reinstall -- "$wheel"
  if ! problem="$("$python" -c 'import tensorflow' 2>&1)"; then
    say "$wheel does not go with the packages of constraints.txt: ${problem##*$'\n'}"
    exit 1
  fi
  knows_tpu=yes
done
if [[ -z "$knows_tpu" && "$wheels" != none ]] && has_tpu; then
  say "this machine has a TPU, and $wheels has no TensorFlow 2.15 for $tag that knows it: name its folder with TF_VIDEOGEN_TPU_WHEELS, take a runtime of TensorFlow 2.15 for the TPU VM, or install for the processor alone with TF_VIDEOGEN_TPU_WHEELS=none"
  exit 1
fi
wanted > "$stamp"
say "done in $SECONDS seconds"
