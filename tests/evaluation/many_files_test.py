"""Many files: each is decoded once, and memory does not grow with their number."""

import json
import os
import subprocess
import sys

import pytest

from tests.evaluation import many_files


def _figures(*arguments):
  found = subprocess.run([sys.executable, '-m', 'tests.evaluation.many_files', *arguments],
                         capture_output=True, text=True, check=False,
                         env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''})
  assert found.returncode == 0, found.stderr[-2000:]
  return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_thousand_clips_of_300_frames():
  """Slow for 4,400 files that are decoded. The start of each is used, 16 of 300 frames."""
  few, many = (_figures(count, '300', 'first') for count in ('200', '2000'))
  for figures, count in ((few, 200), (many, 2000)):
    assert figures['files'] == 2 * count and figures['most_decodings_of_a_file'] == 1
    assert figures['most_frames_of_a_file'] == many_files.USED
    assert figures['frames_of_headers'] == 2 * count  # whether the picture is turned
  grown = [figures['peak_mb'] - figures['before_mb'] for figures in (few, many)]
  assert grown[1] < grown[0] + 30  # of names and headers, a kilobyte per file


def test_no_more_is_decoded_than_seeking_needs(tmp_path, monkeypatch):
  """Decoding begins at the last key frame before a window; H.264 has one per 250 frames."""
  for name in ('read', '_decoded'):  # the counter replaces them
    monkeypatch.setattr(many_files.some_frames, name, getattr(many_files.some_frames, name))
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))
  figures = many_files.measure(many_files.write(str(tmp_path), 3, 600), 'random')
  assert figures['files'] == 6 and figures['most_decodings_of_a_file'] == 1
  assert many_files.USED <= figures['most_frames_of_a_file'] < 250 + many_files.USED
