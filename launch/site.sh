#!/usr/bin/env bash
# Builds the site of docs/ into site/. Warnings, such as of links and anchors that lead nowhere, are
# errors. MkDocs has a virtual environment of its own, .venv-site in the root of the checkout.
#
#   launch/site.sh                   builds it; further arguments go to `mkdocs build`
#   launch/site.sh serve             shows it at http://localhost:8000, and again after every change
#
# Environment:
#   PYTHON                 the interpreter that makes the environment, 3.10 or later; default: python3
#   TF_VIDEOGEN_SITE_VENV  where the environment is; default: .venv-site in the root of the checkout
set -euo pipefail

root="$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="${TF_VIDEOGEN_SITE_VENV:-$root/.venv-site}"
[[ "$venv" == /* ]] || venv="$PWD/$venv"
cd -- "$root"

if ! cmp -s docs/requirements.txt "$venv/installed.txt"; then
  echo "site: installing MkDocs into $venv" >&2
  "${PYTHON:-python3}" -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    -r docs/requirements.txt
  cp -- docs/requirements.txt "$venv/installed.txt"
fi

export NO_MKDOCS_2_WARNING=1  # of Material's authors, on a later MkDocs
if [[ "${1:-}" == serve ]]; then
  exec "$venv/bin/mkdocs" serve --strict "${@:2}"
fi
exec "$venv/bin/mkdocs" build --strict --quiet "$@"
