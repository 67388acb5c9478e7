"""Downloads that nobody answers are given up soon."""

import time

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader

from tests import processes
from tf_videogen.preparation import outcomes


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A data set that is downloaded from an address that a test sets."""

  VERSION = tfds.core.Version('1.0.0')
  address = ''
  name = 'far_clips'

  def _info(self):
    return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({'a': np.int32}))

  def _split_generators(self, dl_manager):
    dl_manager.download([f'{self.address}{i}' for i in range(4)])

  def _generate_examples(self):
    yield from ()


def test_no_answer(tmp_path, monkeypatch, caplog, capsys):
  """It is said once, in seconds, though several threads ask several times."""
  port, = processes.free_ports(1)
  monkeypatch.setattr(Builder, 'address', f'http://localhost:{port}/a.tar.gz')
  tfds.disable_progress_bar()
  start = time.monotonic()
  with pytest.raises(ValueError, match=r'far_clips cannot be downloaded \(.*after 2 tries\)'):
    outcomes.prepare(Builder(data_dir=str(tmp_path)))
  assert time.monotonic() - start < 5
  assert downloader.MAX_RETRIES > 4  # as before
  time.sleep(0.2)  # other threads
  assert not caplog.records and 'Retrying' not in capsys.readouterr().err


def test_silence_has_an_end(monkeypatch):
  given = []
  monkeypatch.setattr(requests.Session, 'get', lambda self, url, **kwargs: given.append(kwargs))
  with outcomes._patience(), pytest.raises((TypeError, AttributeError)):
    with downloader._open_url('http://localhost/a'):
      pass
  assert given[0]['timeout'] == outcomes._TIMEOUT == (5, 20)
