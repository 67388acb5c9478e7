"""Every protocol of gin/evaluation names itself and its command, and runs for a model of noise."""

import csv
import pathlib
import re

from absl import flags
import gin
import numpy as np
import pytest

from docs import shipped_configs
from tests.evaluation import fakes
from tf_videogen.data import clips as clips_lib
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import run
from tf_videogen.evaluation import videos
from tf_videogen.launch import configs
from tf_videogen.launch import evaluations
from tf_videogen.reporting import paper_numbers

NAMES = [pathlib.PurePath(name).stem for name in shipped_configs.PROTOCOLS]
OF_TASKS = {'bits_per_dim', 'bits_per_code', 'nats_per_code', 'nats_per_frame', 'nmse'}
WITHOUT_A_FILE = {'video_transformer_robotic_pushing'}  # another data set than the paper's
CURVES = {'ssim', 'psnr', 'power_spectrum'}  # figures of papers, which no table has
BESIDES = {'video_transformer_bair_temperature1': {'fvd'}}
# These differ from another one in their data and in numbers of frames alone.
ALIKE = {name for name in NAMES if re.fullmatch(r'(cvg|ssw_gan)_\w+_\d+', name)} - {
    'cvg_bdd100k_6', 'cvg_kinetics600_12'} | {
        'trivd_gan_bair_train', 'trivd_gan_kinetics600_test', 'trivd_gan_ucf101',
        'trivd_gan_ucf101_train'}
VIDEOS, SIZE, FRAMES = 12, 16, 16  # of the data; FRAMES where the protocol leaves them to the model


@pytest.fixture(autouse=True)
def _clean():
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()
  yield
  gin.clear_config()


def _protocol(name, *params):
  configs.parse([f'evaluation/{name}.gin'], params)
  return configs.configured(protocols.Protocol)()


def _printed_metrics():
  """{protocol: metrics that the paper prints}."""
  found = {}
  with open(paper_numbers._FILE, newline='', encoding='utf-8') as f:
    for row in csv.DictReader(f):
      found.setdefault(row['protocol'], set()).add(row['metric'])
  return found


def test_every_protocol_of_a_printed_number_has_a_file():
  printed = _printed_metrics()
  assert len(NAMES) >= 33 and len(printed) > 15
  assert {name for name in printed.keys() - set(NAMES)
          if not name.endswith(paper_numbers.BASELINES)} == WITHOUT_A_FILE
  baselines = [name for name in printed if name.endswith(paper_numbers.BASELINES)]
  assert [name.removesuffix('_copy_last_frame') in NAMES for name in baselines] == [True]


@pytest.mark.parametrize('name', NAMES)
def test_names_and_headers(name):
  assert _protocol(name).name == ('folders' if name == 'folders_paired' else name)
  path = configs.GIN_DIR / 'evaluation' / f'{name}.gin'
  header = path.read_text().split('\nfrom __gin__')[0]
  assert all(line.startswith('#') for line in header.splitlines() if line)
  comment = ' '.join(re.sub(r'\\?\n#', ' ', '\n' + header).split())
  commands = re.findall(r'python -m launch\.(?:evaluate|compare) (.*?)(?= python|$)', comment)
  if name.startswith('folders'):
    paired = '--paired ' if name == 'folders_paired' else ''
    assert commands == [f'{paired}--real=real_videos/ --generated=generated_videos/']
    return
  assert commands and all(
      command.startswith(f'--gin_file=evaluation/{name}.gin --') for command in commands)
  assert re.fullmatch(r'\S+ --model_dir=runs/[\w/]+( --follow --keep_best=fvd( --patience=10)?)?',
                      commands[-1])
  assert ('--keep_best=fvd' in commands[-1]) == name.endswith(('_train', '_level'))


@pytest.mark.parametrize('name', NAMES)
def test_data_sets_and_classes(name):
  """The clips are of the suite's data sets, and have labels where those are needed."""
  protocol = _protocol(name)
  of_classes = protocol.classes or any(
      getattr(measure, 'classes', None) for measure in protocol.measures)
  if protocol.clips is None:
    assert not of_classes and (
        name.startswith(('folders', 'cascade_level')) or protocol.task_metrics)
    return
  dataset = protocol.clips.dataset.split('/')[0]
  assert (configs.GIN_DIR.parent / 'datasets' / dataset / f'{dataset}_dataset_builder.py').exists()
  frames = re.fullmatch(r'(?:cvg|ssw_gan)_\w+?_(\d+)', name)
  if frames:
    assert protocol.clips.frames == int(frames.group(1))
    assert protocol.frames in (None, protocol.clips.frames)
  assert protocol.clips.features.get('label') == 'label' or not of_classes
  unlabelled = name.startswith(('videogpt_bair', 'trivd', 'video_transformer')) or 'bdd' in name
  assert ('label' not in protocol.clips.features) == unlabelled
  if protocol.real_windows == 'random':
    assert protocol.clips.train_split == protocol.split
  if frames or name.startswith(('ssw_gan', 'cvg_kinetics600')):  # as cascades are trained
    assert protocol.real_windows == 'random'


def _check_metrics(name, found, protocol):
  """Whether metrics are those that the paper prints for a protocol."""
  expected = _printed_metrics().get(name, set())
  if expected:
    assert expected - OF_TASKS <= found <= expected | CURVES | BESIDES.get(name, set())
    assert bool(expected & OF_TASKS) <= protocol.task_metrics
  else:
    assert found or protocol.task_metrics or name.endswith('power_spectrum')


@pytest.mark.parametrize('name', NAMES)
def test_metrics(name):
  protocol = _protocol(name)
  _check_metrics(name, {measure.name for measure in protocol.measures}, protocol)


def _clips(protocol, folder):
  """Labelled noise of the protocol's number of frames, in all splits."""
  classes = list((protocol.classes or {'any': 0}).values())
  frames = protocol.clips.frames if protocol.clips else FRAMES
  count = max(VIDEOS, 2 * len(classes))
  video = fakes.videos(count, frames + 1, SIZE, SIZE)
  path = str(folder / 'clips.npz')
  np.savez(path, video=video, label=np.array(classes)[np.arange(count) % len(classes)])
  made = clips_lib.FileClips(path, frames, validation_path=path, test_path=path)
  made.train_split = protocol.split  # as files of random windows bind it
  return made


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ()) for name in NAMES])
def test_every_protocol_runs(name, networks, cpu, tmp_path, capsys):
  binding = lambda key, value: f'protocols.Protocol.{key} = {value}'
  protocol = _protocol(name, binding('videos', VIDEOS), binding('trials', 2))
  protocol.split = protocol.split.partition('[')[0]  # of files there are whole ones
  if protocol.generated:
    protocol.generated = 20
  if protocol.samples_per_condition > 1:
    protocol.samples_per_condition = 3
    for measure in protocol.measures:
      measure.best_of = (1, 3)
  clips = _clips(protocol, tmp_path)
  if protocol.classes:
    protocol.videos = None
  real = videos.DataVideos(clips, protocol.split, protocol.videos, protocol.real_windows)
  longer = 1 if protocol.generated_windows == 'random' else 0
  make = fakes.Noise(protocol.conditioning_frames or 0, real.shape[0] + longer)
  found = run.run(protocol, real, make, cpu, 6)
  assert not found.missing
  evaluations.finish(
      protocol.name, protocol.split, make.step, found, cpu, str(tmp_path / 'run'))
  out = capsys.readouterr().out
  lines = [line.split()[0] for line in out.splitlines()[:-1]]
  assert out.splitlines()[-1].startswith('written into ')
  printed = {metric for metric in lines if '_class_' not in metric and '_best_of_' not in metric}
  _check_metrics(name, printed or set(lines), protocol)
  _check_values(found, protocol)


def _check_values(found, protocol):
  for value in found.values:
    assert np.isfinite(value.value)
    assert value.value > 0 or value.metric in measures.FrechetDistance.SETS  # few videos
    of_samples = not value.metric.startswith('r_')
    assert np.isfinite(value.spread) == of_samples and ('2 trials' in value.note) == of_samples
  for measure in protocol.measures:
    windows = getattr(measure, 'windows', 'first')
    if measure.name in CURVES or windows == 'all':
      curves = {key: curve for key, (_, curve) in found.curves.items() if key[0] == measure.name}
      assert curves and all(len(curve) > 1 for curve in curves.values())
