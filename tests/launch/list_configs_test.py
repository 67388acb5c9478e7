"""The list of configs: what it says of them, and how fast."""

import pytest

from tests.launch import in_process
from tf_videogen import experiment
from tf_videogen.launch import configs
from tf_videogen.launch import list_configs


def _printed(capsys, *arguments):
  assert in_process.run(list_configs.main, *arguments) == 0
  return capsys.readouterr().out.splitlines()


def test_words_choose(capsys):
  *lines, count = _printed(capsys, 'videogpt', 'bair', 'CODEBOOKS4')
  assert lines[0] == 'videogpt/bair_prior_codebooks4.gin' and count == '2 configs'
  assert lines[2].startswith(
      '    bair_clips/original; 133,300,539 parameters; fits 8 cores of v3, ')
  assert lines[3:5] == [
      'videogpt/bair_vqvae_codebooks4.gin',
      '    VideoGPT, VQ-VAE for BAIR with 4 codebooks, latents of 8 x 16 x 16 x 4: Table 7.']


def test_every_config_has_a_title(capsys):
  lines = _printed(capsys)
  names = [line for line in lines[:-1] if not line.startswith(' ')]
  assert names == list_configs.names() and lines[-1] == f'{len(names)} configs'
  titles = [after for name, after in zip(lines, lines[1:]) if not name.startswith(' ')]
  assert all(len(title.strip()) > 20 for title in titles)


def test_one_is_shown(capsys):
  lines = _printed(capsys, '--show=videogpt/bair_prior.gin')
  assert lines[0].startswith('VideoGPT, single-frame conditional prior for BAIR')
  assert any('python -m launch.train --gin_file=videogpt/bair_prior.gin' in line for line in lines)
  assert lines[-4:] == ['  videogpt/bair_prior.gin', '    videogpt/bair_vqvae.gin',
                        '      base/vqvae.gin', '    base/prior.gin']


@pytest.mark.parametrize('arguments, message', [
    (['videogpt', 'nonsense'], 'no config has the words videogpt nonsense'),
    (['--show=videogpt/bair_priro.gin'], 'did you mean videogpt/bair_prior.gin')])
def test_mistakes(capsys, arguments, message):
  assert in_process.run(list_configs.main, *arguments) == 1
  assert message in capsys.readouterr().err


def test_data_is_what_the_parsed_config_has():
  for name in ('videogpt/bair_prior.gin', 'cvg/ucf101_level1.gin', 'trivd_gan/smoke.gin'):
    configs.parse([name], [], needs_all=False)
    clips = configs.configured(experiment.Experiment)().clips
    assert list_configs.data_of(name) == (clips.dataset or type(clips).__name__)
