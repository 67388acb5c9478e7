#!/usr/bin/env bash
# Installs the package (see install.sh) and runs the tests, two at a time; arguments go to pytest.
#
#   launch/test.sh                         the default suite
#   launch/test.sh -m slow                 the tests that take minutes
#   launch/test.sh -m slow --draw=WORD     a sample of those, of at most 20 minutes
#   launch/test.sh tests/layers -k causal  some of them
#   launch/test.sh -n 0 --pdb              one at a time, in this process
#
# With TF_VIDEOGEN_REAL_DATA=<folder> in the environment, tests on real data run as well.
set -euo pipefail

root="$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
"$root/launch/install.sh"
venv="${TF_VIDEOGEN_VENV:-$root/.venv}"
[[ "$venv" == /* ]] || venv="$PWD/$venv"
cd -- "$root"
exec "$venv/bin/python" -m pytest -n 2 --dist=worksteal "$@"
