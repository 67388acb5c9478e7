"""launch/install.sh on a TPU VM: the image's TensorFlow, which knows the TPU, or a refusal."""

import pathlib
import sys

import pytest

from tests import processes

INSTALL = pathlib.Path(__file__).resolve().parents[2] / 'launch' / 'install.sh'
TAG = f'cp3{sys.version_info.minor}'
# An environment's interpreter whose pip installs nothing.
PYTHON = '''#!/usr/bin/env bash
here="$(dirname -- "$0")"
case "$*" in
  '-m pip'* | '-m uv'*) echo "$*" >> "$here/asked" ;;
  *'import tensorflow'*) cat "$here/problem" >&2; [[ ! -s "$here/problem" ]] ;;
  *) exec {python} "$@" ;;
esac
'''


@pytest.fixture(name='install')
def _install(tmp_path):
  """Returns a function that installs: (status, last line of its words, what pip was asked)."""
  bin_folder = tmp_path / 'venv' / 'bin'
  bin_folder.mkdir(parents=True)
  (bin_folder / 'python').write_text(PYTHON.format(python=sys.executable))
  (bin_folder / 'python').chmod(0o755)
  (tmp_path / 'wheels').mkdir()

  def run(tpu=True, wheel=None, problem='', wheels=str(tmp_path / 'wheels')):
    (bin_folder / 'problem').write_text(problem)
    if tpu:
      (tmp_path / 'accel0').touch()
    if wheel:
      (tmp_path / 'wheels' / wheel).touch()
    done = processes.run(
        INSTALL, TF_VIDEOGEN_VENV=str(tmp_path / 'venv'), TF_VIDEOGEN_TPU_WHEELS=wheels,
        TF_VIDEOGEN_TPU_DEVICES=f'{tmp_path}/accel0 {tmp_path}/vfio')
    asked = (bin_folder / 'asked').read_text()
    stamp = bin_folder.parent / 'tf_videogen.installed'
    assert stamp.exists() == (done.returncode == 0)
    return done.returncode, done.stderr.splitlines()[-1], asked

  return run


def test_the_wheel_of_the_image_is_taken(install):
  status, _, asked = install(wheel=f'tensorflow-2.15.1-{TAG}-{TAG}-linux_x86_64.whl')
  assert status == 0 and asked.splitlines()[-1].endswith('linux_x86_64.whl')


@pytest.mark.parametrize('wheel', [None, 'tensorflow-2.15.1-cp39-cp39-linux_x86_64.whl',
                                   f'tensorflow-2.16.1-{TAG}-{TAG}-linux_x86_64.whl'])
def test_a_tpu_without_its_wheel_is_refused(install, wheel):
  status, said, asked = install(wheel=wheel)
  assert status == 1 and 'linux' not in asked
  assert said.startswith('install: this machine has a TPU, and ') and TAG in said
  assert 'name its folder with TF_VIDEOGEN_TPU_WHEELS' in said


@pytest.mark.parametrize('how', [{'tpu': False}, {'wheels': 'none'}])
def test_the_processor_alone(install, how):
  assert install(**how)[0] == 0


def test_a_wheel_that_does_not_import_is_refused(install):
  status, said, _ = install(wheel=f'tensorflow-2.15.1-{TAG}-{TAG}-linux_x86_64.whl',
                            problem='Traceback:\nImportError: ml_dtypes is too new')
  assert status == 1
  assert said.endswith('does not go with the packages of constraints.txt: '
                       'ImportError: ml_dtypes is too new')
