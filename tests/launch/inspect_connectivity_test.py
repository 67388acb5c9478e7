"""launch.inspect_connectivity: the table and the map of a small model, mistakes in one line."""

import gin
import pytest
import tensorflow as tf

from tests.launch import in_process
from tf_videogen.launch import inspect_connectivity
from tf_videogen.models import connectivity
from tf_videogen.models import video_transformer
from tf_videogen.reporting import blind_spots

pytestmark = pytest.mark.usefixtures('no_config_left')

NAME = 'python -m launch.inspect_connectivity'
CONFIG = '--gin_file=video_transformer/bair_spatiotemporal.gin'
BLOCKS = [(1, 2, 4), (1, 4, 2)]
SMALL = ['--clip_shape=4x8x8x3',
         '--gin_param=video_transformer.VideoTransformer.subscale=(2, 2, 2)',
         f'--gin_param=video_transformer.LayerStack.blocks={BLOCKS}',
         '--gin_param=video_transformer.LayerStack.layers=2']


def _run(*arguments):
  return in_process.run(inspect_connectivity.main, *arguments, name=NAME)


def _expected():
  """The counts of the same model, made without gin."""
  stack = lambda causal: video_transformer.LayerStack(causal, BLOCKS, width=8, heads=1)
  with tf.Graph().as_default():
    model = video_transformer.VideoTransformer(
        (2, 2, 2), video_transformer.SliceDecoder(stack, embedding=8),
        video_transformer.SliceEncoder(stack, 8))
    model.build((None, 4, 8, 8, 3))
  return connectivity.missed_by_distance(model)


def test_the_table_and_the_map(tmp_path, capsys):
  plot = tmp_path / 'map.png'
  assert _run(CONFIG, *SMALL, '--pixel=1,3,5', f'--map={plot}') == 0
  out = capsys.readouterr().out
  assert out == f'{plot}: what reaches pixel 1,3,5\n{blind_spots.table(_expected())}\n'
  assert f'{256 * 255 // 2:,}' in out.splitlines()[-1]  # all pairs
  assert plot.read_bytes()[:4] == b'\x89PNG'


def test_the_first_slice_alone(tmp_path, capsys):
  arguments = ['--gin_file=video_transformer/kinetics600_first_slice.gin', *SMALL]
  assert _run(*arguments, f'--map={tmp_path}/map.png') == 0
  lines = capsys.readouterr().out.splitlines()
  assert f'{32 * 31 // 2}' in lines[-1] and lines[0].endswith('what reaches pixel 2,4,4')
  assert _run(*arguments, '--pixel=1,2,4', f'--map={tmp_path}/other.png') == 1
  assert 'this model has only the first slice' in capsys.readouterr().err


@pytest.mark.parametrize('arguments, message', [
    ([], '--gin_file is missing'), ([CONFIG, *SMALL, '--pixel=1,2'], '--pixel=1,2 must be T,H,W'),
    ([CONFIG, *SMALL, '--pixel=4,0,0'], '--pixel=4,0,0 is outside the video, which is 4x8x8'),
    ([CONFIG, '--map=map.svg'], '--map=map.svg must end in .png'),
    (['--gin_file=videogpt/bair_vqvae.gin'], 'is not the config of a Video Transformer')])
def test_mistakes(arguments, message, tmp_path, capsys):
  assert _run(f'--map={tmp_path}/map.png', *arguments) == 1
  error = capsys.readouterr().err.strip().splitlines()[-1]
  assert message in error and not (tmp_path / 'map.png').exists()
