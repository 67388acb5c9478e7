"""TPUs whose hosts are other machines: what they cannot reach is refused."""

import types

import pytest

from tests import fake_tpu
from tf_videogen import building
from tf_videogen import experiment as experiments
from tf_videogen.data import clips as clips_lib
from tf_videogen.data import downsampled
from tf_videogen.layers import resampling
from tf_videogen.model_directory import checkpoints


def test_a_tpu_vm_is_its_own_host(cpu):
  assert not checkpoints.has_other_hosts(cpu)
  assert not checkpoints.has_other_hosts(fake_tpu.traced())
  pod = fake_tpu.traced()
  pod.extended._tpu_devices[1][0] = '/job:worker/replica:0/task:1/device:TPU:0'
  assert checkpoints.has_other_hosts(pod)


@pytest.fixture(name='_pod')
def _pod_fixture(monkeypatch):
  monkeypatch.setattr(checkpoints, 'has_other_hosts', lambda strategy: True)


@pytest.mark.usefixtures('_pod')
def test_local_model_directory(tiny, cpu, tmp_path):
  with pytest.raises(ValueError, match='give a model directory on gs://'):
    experiments.train(tiny.experiment(), str(tmp_path), cpu)
  with pytest.raises(ValueError, match=f'cannot reach {tmp_path} on this machine'):
    building.restore(None, str(tmp_path))
  for name in ('ckpt-1.index', 'ckpt-1.data-00000-of-00001'):
    (tmp_path / name).touch()
  with pytest.raises(ValueError, match='cannot reach'):
    checkpoints.load_part(str(tmp_path), 'the VQ-VAE')
  checkpoints.check_reachable('gs://bucket/runs/x')


@pytest.mark.usefixtures('_pod')
def test_clips_of_files(tiny, cpu):
  experiment = tiny.experiment()
  with pytest.raises(ValueError, match='hosts of the TPU read the clips themselves, but .*'
                     'train.npz is read by this process: make a data set'):
    building.build(experiment, cpu, experiment.clips.example_spec())
  smaller = downsampled.DownsampledClips(experiment.clips, resampling.nearest, 2)
  assert smaller.unreachable() == experiment.clips.unreachable()
  shapes = tiny.gan_experiment()
  building.build(shapes, cpu, shapes.clips.example_spec())  # drawn by whatever host


@pytest.mark.parametrize('folder, found', [
    ('/data/bair', '/data/bair is on this machine only: prepare the data set on gs://, and give '
     'its folder with --data_dir'), ('gs://bucket/data/bair', '')])
def test_prepared_clips(folder, found):
  clips = clips_lib.PreparedClips('bair', 4)
  clips.describe(types.SimpleNamespace(data_dir=folder))
  assert clips.unreachable() == found
