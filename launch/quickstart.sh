#!/usr/bin/env bash
# Installs the package (see install.sh), prepares Moving MNIST, trains a small VideoGPT on it, samples
# videos, and writes runs/quickstart/report.html. Run again, it goes on from where it was.
#
#   launch/quickstart.sh                  digits of scikit-learn: no download
#   launch/quickstart.sh --digits=mnist   digits of MNIST, in runs/quickstart_mnist: downloads them, or
#                                         reads mnist.npz in the folder that --manual_dir=... names
#
# Environment: see install.sh.
set -euo pipefail

root="$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
digits=optdigits run=runs/quickstart manual=()
for argument in "$@"; do
  case "$argument" in
    --digits=optdigits) ;;
    --digits=mnist) digits=mnist run=runs/quickstart_mnist ;;
    --manual_dir=*) manual=(--manual_dir="$(cd -- "${argument#*=}" && pwd -P)") ;;
    *) echo "quickstart: unknown argument $argument; there are --digits=optdigits," \
           "--digits=mnist and --manual_dir=FOLDER" >&2
       exit 2 ;;
  esac
done

"$root/launch/install.sh"
venv="${TF_VIDEOGEN_VENV:-$root/.venv}"
[[ "$venv" == /* ]] || venv="$PWD/$venv"
cd -- "$root"

say() { printf '\nquickstart, %d:%02d min: %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
program() { "$venv/bin/python" -m "launch.$1" "${@:2}"; }

dataset="moving_mnist_clips/${digits}_small"
common=(--data_dir=runs/data --gin_param="DATASET='$dataset'")

say 'preparing Moving MNIST: one digit, 32 x 32 pixels'
program prepare --dataset="$dataset" --data_dir=runs/data ${manual[@]+"${manual[@]}"}

say 'training the VQ-VAE, which turns a clip into 64 codes'
program train --gin_file=videogpt/moving_mnist_vqvae_quickstart.gin --model_dir="$run/vqvae" \
    "${common[@]}"

say 'training the prior, which learns which codes follow which'
program train --gin_file=videogpt/moving_mnist_prior_quickstart.gin --model_dir="$run/prior" \
    --gin_param="VQVAE_DIR='$run/vqvae'" "${common[@]}"

if [[ ! "$run/prior/samples/samples.npz" -nt "$run/prior/checkpoint" ]]; then
  say 'sampling'
  program sample --model_dir="$run/prior" --data_dir=runs/data --num_samples=24 --batch_size=24 \
      --temperature=0.7
fi

say 'writing the report'
program report --model_dir="$run/vqvae" --model_dir="$run/prior" --output="$run/report.html" \
    --title='VideoGPT on Moving MNIST, the quickstart' \
    --note="A VideoGPT small enough to be trained in minutes on two processor cores. One digit of \
20 x 20 pixels moves through 8 frames of 32 x 32 (Moving MNIST proper: two digits, 64 x 64). A VQ-VAE \
of 64 channels turns a clip into 8 x 8 codes; a prior of 6 layers, 128 wide, is told the class of the \
digit and draws new codes, at a temperature of 0.7. The paper's sizes are in \
gin/videogpt/moving_mnist_vqvae.gin and moving_mnist_prior.gin." \
    --command="launch/quickstart.sh --digits=$digits"
say "done; open $root/$run/report.html"
