"""The benchmark runs, in tiny, and prints one line of JSON."""
import json
import os

from absl.testing import flagsaver
import pytest
import tensorflow as tf

from tests import raw_data
from tf_videogen.benchmarks import input as input_lib
from tf_videogen.launch import benchmark
from tf_videogen.preflight import known


@pytest.mark.slow
def test_prints_one_line(capsys):
  policy = tf.keras.mixed_precision.global_policy()
  with flagsaver.flagsaver():
    benchmark.flags.FLAGS(['benchmark', '--small', '--repeats=1', '--batch=2'])
    benchmark.main([])
  tf.keras.mixed_precision.set_global_policy(policy)
  line, = capsys.readouterr().out.strip().splitlines()
  figures = json.loads(line)
  names = ['vqvae_train_step_s', 'vqvae_encode_s', 'prior_train_step_s', 'prior_sample_s']
  assert figures['batch'] == 2 and all(figures[name] > 0 for name in names)
  assert all(figures['float32'][name] > 0 for name in names)


@pytest.mark.slow
def test_video_transformer(capsys):
  policy = tf.keras.mixed_precision.global_policy()
  with flagsaver.flagsaver():
    benchmark.flags.FLAGS(['benchmark', '--work=video_transformer', '--small', '--repeats=1',
                           '--batch=2', '--strategy=cpu'])
    benchmark.main([])
  tf.keras.mixed_precision.set_global_policy(policy)
  figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
  names = ['train_step_s', 'encode_slice_s', 'pixel_by_full_pass_s', 'pixel_flops']
  assert figures['batch'] == 2 and all(figures[name] > 0 for name in names)
  # The difference of two times, of one measurement here: other work may make it negative.
  assert abs(figures['pixel_s']) < figures['pixel_by_full_pass_s']


@pytest.mark.slow
def test_trivd_gan(capsys):
  policy = tf.keras.mixed_precision.global_policy()
  with flagsaver.flagsaver():
    benchmark.flags.FLAGS(['benchmark', '--work=trivd_gan', '--small', '--repeats=1', '--batch=2',
                           '--strategy=cpu'])
    benchmark.main([])
  tf.keras.mixed_precision.set_global_policy(policy)
  figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
  assert figures['batch'] == 2 and figures['sampled_clips_per_s'] > 0
  for found in (figures, figures['float32']):
    # Of one measurement each, rounded to four digits.
    assert found['tsru_p_over_conv_gru'] == pytest.approx(
        found['tsru_p_train_step_s'] / found['conv_gru_train_step_s'], rel=0.01)


def test_input(tiny_files, capsys):
  with flagsaver.flagsaver():
    benchmark.flags.FLAGS(['benchmark', '--work=input', f'--gin_file={tiny_files.vqvae_gin}',
                           '--repeats=2', '--strategy=cpu', '--step=3'])
    benchmark.main([])
    figures = json.loads(capsys.readouterr().out)
    assert figures['batch'] == 4 and figures['input_s'] > 0 and figures['step_s'] > 0
    assert figures['input_share'] == pytest.approx(figures['input_s'] / figures['step_s'], rel=0.01)
    assert figures['resumed_at_step'] == 3 and figures['resumed_first_batch_s'] > 0
    assert figures['feeds'].startswith('the table of preflight has no bound on a step of ')
    benchmark.flags.FLAGS.gin_file = []
    with pytest.raises(ValueError, match='--gin_file is missing'):
      benchmark.main([])


def test_whether_this_machine_feeds_a_config(monkeypatch):
  """4 clips on each of 64 cores in half a second, on 8 hosts, are 64 a second on each."""
  monkeypatch.setattr(known, 'row', lambda name, program: {'a.gin': {
      'topology': 'v3:4x8', 'batch': '4', 'bound_s': '0.5'}}.get(name))
  monkeypatch.setattr(os, 'cpu_count', lambda: 4)
  figures = {'batch': 8, 'clips_per_step': 8, 'input_clips_per_s': 32, 'input_processors': 3.}
  said = ('a step on v3:4x8, 64 cores, takes at least 500.0 ms for 256 clips: at most 64 clips per '
          'second on each of 8 hosts. This machine, 4 processors, makes {} such a host, which '
          'needs {} processors like these for the input (a host of v3 has 96)')
  assert input_lib.feeds('a.gin', figures) == said.format('32 and does not feed', 6)
  assert input_lib.feeds('a.gin', {**figures, 'input_clips_per_s': 64}) == said.format(
      '64 and feeds', 3)
  two_batches = {**figures, 'clips_per_step': 16, 'input_clips_per_s': 100}
  assert 'for 512 clips: at most 128 clips per second' in input_lib.feeds('a.gin', two_batches)


def test_prepare(tmp_path, capsys):
  raw_data.write_video(tmp_path / 'a.mp4', raw_data.moving_square())
  with flagsaver.flagsaver():
    benchmark.flags.FLAGS(['benchmark', '--work=prepare', f'--manual_dir={tmp_path}',
                           '--repeats=1'])
    benchmark.main([])
    figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert (figures['videos'], figures['frames']) == (1, 20)
    assert figures['share_of_bare_decode'] == pytest.approx(
        figures['prepare_frames_per_core_s'] / figures['bare_decode_frames_per_s'], rel=0.01)
    assert list(figures['share_by_video']) == ['a.mp4']
    assert 0 < figures['all_of_prepare_clips_per_core_s'] < figures['prepare_clips_per_core_s']
    (tmp_path / 'a.mp4').unlink()
    with pytest.raises(ValueError, match='has no videos'):
      benchmark.main([])
    benchmark.flags.FLAGS.manual_dir = None
    with pytest.raises(ValueError, match='--manual_dir is missing'):
      benchmark.main([])


@pytest.mark.slow
def test_i3d(capsys):
  with flagsaver.flagsaver():
    benchmark.flags.FLAGS(['benchmark', '--work=i3d', '--batch=2', '--repeats=1', '--strategy=cpu'])
    benchmark.main([])
  figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
  assert figures['batch'] == 2 and figures['clips_per_s'] > 0 and figures['fvd_clips_per_s'] > 0
  assert figures['fvd_over_passes'] > 1 / 2  # whatever else the machine does


@pytest.mark.slow
def test_memory_of_a_cascade_does_not_grow(capsys):
  """Whatever the number of frames: within a fifth."""
  with flagsaver.flagsaver():
    benchmark.flags.FLAGS(['benchmark', '--work=cascade', '--batch=2'])
    benchmark.main([])
  figures = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
  memory = [figures[f'sampling_mb_{frames}'] for frames in (24, 48, 96, 192)]
  assert max(memory) < 1.2 * min(memory)
