"""The papers' results tables, in order: the contents of docs/papers.md besides numbers.

The rows of most tables are in tf_videogen/reporting/paper_numbers.csv. Tables that print no
numbers, or whose numbers are missing in our copy of the paper, list their rows here.
"""

import typing

LOST = 'not in our copy'


class Row(typing.NamedTuple):
  """A row without a number.

  Attributes:
    label: The paper's name of the row.
    config: Name of a config under gin/; '' if there is nothing to train.
    protocols: Names of the configs under gin/evaluation/ that evaluate it, without their ending.
    printed: What the paper prints. If '', the text of the config's header is used.
    state: How far we have reproduced it. If '', the answer of the TPU's compiler is used.
  """
  label: str
  config: str = ''
  protocols: tuple = ()
  printed: str = ''
  state: str = ''


class Table(typing.NamedTuple):
  """A table.

  Attributes:
    name: Name of the table in paper_numbers.csv.
    about: Title of the table.
    rows: `Row`s of a table without numbers.
    configs: {row: config} for rows whose numbers are of a config in the middle of its training.
    note: A paragraph that precedes the table.
  """
  name: str
  about: str
  rows: tuple = ()
  configs: dict = {}
  note: str = ''


class Paper(typing.NamedTuple):
  """A paper.

  Attributes:
    name: Folder of its configs under gin/, and its name in paper_numbers.csv.
    title: Title of its section.
    lead: Paragraphs that say how its configs are trained.
    tables: Its `Table`s.
  """
  name: str
  title: str
  lead: str
  tables: tuple


class Small(typing.NamedTuple):
  """Configs of our own, which no paper has.

  Attributes:
    configs: Names of the configs under gin/.
    about: What they are.
    state: Whether they have been trained, and with what result.
  """
  configs: tuple
  about: str
  state: str


def _prior(label, stem):
  return Row(label, f'videogpt/{stem}_prior.gin', ('videogpt_likelihood',))


_31_FRAMES = ' --gin_param=tasks.VideoTransformerTask.sample_frames=31'
_COOKING = (""" --gin_param="clips.PreparedClips.dataset='kinetics600_clips/cooking'" """
            '--gin_param=tasks.VideoTransformerTask.primed_frames=5')
_AUTHORS = ('videogpt_bair_vqvae_authors', 'videogpt_bair_authors')

VIDEOGPT = Paper('videogpt', 'VideoGPT', """
A VQ-VAE comes first, then its prior. R-FVD and NMSE are evaluated of the VQ-VAE's directory, all
else of the prior's.

```
python -m launch.train --gin_file=videogpt/VQVAE.gin --model_dir=runs/vqvae
python -m launch.train --gin_file=videogpt/PRIOR.gin --model_dir=runs/prior \\
    --gin_param="VQVAE_DIR='runs/vqvae'"
```
""", (
    Table('Table 1', 'FVD on BAIR'),
    Table('Table 2', 'Inception Score on UCF-101'),
    Table('Table 3', 'attention in the VQ-VAE, on BAIR'),
    Table('Table 4', 'depth of the prior, on BAIR'),
    Table('Table 5', 'size of the latents, on BAIR'),
    Table('Table 6', 'number of codes, on BAIR'),
    Table('Table 7', 'number of codebooks, on BAIR'),
    Table('section 4.5', 'loss on UCF-101'),
    Table('section 4.6', 'loss on TGIF'),
    Table('Tables 8 and 9', 'sizes of the models of all data sets; those that no table above has', (
        _prior('Moving MNIST', 'moving_mnist'),
        Row('BAIR, given actions', 'videogpt/bair_prior_actions.gin', ('videogpt_bair',)),
        _prior('RoboNet', 'robonet'),
        Row('RoboNet, given actions', 'videogpt/robonet_prior_actions.gin',
            ('videogpt_likelihood',)),
        _prior('ViZDoom, Health Gathering Supreme', 'vizdoom_hgs'),
        Row('ViZDoom, Health Gathering Supreme, given actions',
            'videogpt/vizdoom_hgs_prior_actions.gin', ('videogpt_likelihood',)),
        _prior('ViZDoom, Battle2', 'vizdoom_battle2'),
        Row('ViZDoom, Battle2, given actions', 'videogpt/vizdoom_battle2_prior_actions.gin',
            ('videogpt_likelihood',)))),
    Table('no table', 'variants of our own', (
        Row('full attention in place of sparse', 'videogpt/bair_prior_full_attention.gin',
            ('videogpt_bair',)),
        Row('the code of the released weights', 'videogpt/bair_prior_released.gin', _AUTHORS),
        Row('the code beside the paper', 'videogpt/bair_prior_paper_code.gin', _AUTHORS))),
    Table('released weights', 'imported, not trained ([page](videogpt.md))', tuple(
        Row(f'`{name}`', f'videogpt/published/{name}.gin', protocols, state='can be imported') for
        name, protocols in (
            ('bair_gpt', ('videogpt_bair_authors',)),
            ('bair_stride4x2x2', ('videogpt_bair_vqvae_authors',)),
            ('ucf101_uncond_gpt', ('videogpt_ucf101',)), ('ucf101_stride4x4x4', ()),
            ('kinetics_stride4x4x4', ()), ('kinetics_stride2x4x4', ())))),
))


def _bair(label, stem):
  return Row(
      label, f'video_transformer/bair_spatiotemporal_{stem}.gin', ('video_transformer_bair',))


VIDEO_TRANSFORMER = Paper('video_transformer', 'Video Transformer', """
On Kinetics-600 the first slice's decoder comes first, where a row names one.

```
python -m launch.train --gin_file=video_transformer/MODEL.gin --model_dir=runs/model
python -m launch.train --gin_file=video_transformer/MODEL.gin --model_dir=runs/model \\
    --gin_param="FIRST_SLICE_DIR='runs/first_slice'"
```
""", (
    Table('Table 1a', 'BAIR', note="""
The curves of figure 2 are of the same evaluations.
"""),
    Table('Table 1b', 'Kinetics-600'),
    Table('section 4.2', 'BAIR, sampled at temperature 1'),
    Table('Table 2', 'Moving MNIST'),
    Table('Table 3', 'depth, heads and width, on BAIR'),
    Table('appendix A.2', 'Robotic Pushing, for which BAIR with its actions stands in'),
    Table('the text', 'what the paper tried, on BAIR, and the samples of appendix E', (
        _bair('section 3.3: channels of 8 bits, not split', 'unsplit'),
        _bair('section 4.1: the loss over all frames', 'all_frames'),
        _bair('appendix B: blocks in another order', 'shuffled_blocks'),
        _bair('appendix C: larger kernel of the masked convolution', 'kernel5'),
        _bair('appendix C: blocks and their dilated dual', 'dilated'),
        _bair('appendix D: blocks along one dimension', 'single_axis_blocks'),
        _bair('appendix D: Adam', 'adam'),
        _bair('appendix D: continuous input', 'continuous'),
        _bair('appendix D: the mask (1 - I)', 'sentinel'),
        Row('appendix E, figure 4: cooking', 'video_transformer/kinetics600_cooking_large.gin',
            printed='samples alone',
            state='samples of kinetics600_spatiotemporal_large, which is not trained yet'),
        *(Row(f'appendix F, {figures}', f'video_transformer/{config}.gin', printed='samples alone',
              state=f'`launch.sample --temperature=0.9{options}`, once it is trained')
          for figures, config, options in (
              ('figures 5 and 7: 30 future frames', 'bair_spatiotemporal', _31_FRAMES),
              ('figures 6 and 8: 30 future frames', 'bair_spatiotemporal_large', _31_FRAMES),
              ('figures 9 to 11: 11 frames after 5 of cooking', 'kinetics600_spatiotemporal',
               _COOKING),
              ('figure 12: the same of single frames', 'kinetics600_single_frame', _COOKING))))),
))

TRIVD_GAN = Paper('trivd_gan', 'TrIVD-GAN-FP', """
```
python -m launch.train --gin_file=trivd_gan/MODEL.gin --model_dir=runs/model
python -m launch.evaluate --gin_file=evaluation/trivd_gan_kinetics600_train.gin \\
    --model_dir=runs/model --follow --keep_best=fvd
```

The second command runs beside the training and keeps the checkpoint of the best FVD on training
videos, of which the paper's numbers are (on BAIR and UCF-101: `trivd_gan_bair_train.gin`,
`trivd_gan_ucf101_train.gin`). What is in the column "evaluation" is then for `runs/model/best`.
""", (
    Table('Table 1', 'decompositions of the discriminator, on Kinetics-600', note="""
The table's steps are those of the configs; its milliseconds and gigabytes are in
[costs.md](trivd_gan/costs.md), beside what the compiler says of our programs.
"""),
    Table('Table 2', 'recurrent units, on Kinetics-600'),
    Table('Table 3', 'Kinetics-600'),
    Table('Table 4', 'BAIR'),
    Table('figure 5', 'SSIM on BAIR, by frame', (
        Row('best of several samples', 'trivd_gan/bair_original.gin', ('trivd_gan_bair_ssim',),
            printed='curves'),)),
    Table('appendix C.2', 'UCF-101'),
    Table('appendix D.3', 'a baseline on Kinetics-600'),
    Table('figure 3 and appendix D', 'samples, of the test videos of UCF-101', note="""
Models of Kinetics-600 continue other videos with
`--gin_param="clips.PreparedClips.dataset='ucf101_clips/64'" --conditions=test` (for
`launch.inspect_motion`, `--motion_split=test`). Their standing statistics are then of UCF-101's
training split.
""", rows=(
        Row('figure 3: motion of the two lower levels', 'trivd_gan/kinetics600_table3.gin',
            printed='pictures', state='`launch.inspect_motion`, once it is trained'),
        *(Row(f'D.1: {unit}, 1M steps, threshold 0.8', f'trivd_gan/kinetics600_table2_{config}.gin',
              printed='samples alone', state='`--gin_param=TRAIN_STEPS=1000000`, then '
              '`launch.sample --truncation=0.8`')
          for unit, config in (('ConvGRU', 'conv_gru'), ('TSRU_p', 'tsru_p'))),
        Row('D.2: no truncation, threshold 0.8, z = 0', 'trivd_gan/kinetics600_table3.gin',
            printed='samples alone', state='`launch.sample`, with `--truncation=0.8`, with '
            '`--temperature=0`'))),
    Table('appendix E.1', 'projection, on Kinetics-600'),
    Table('appendix F.1', "ConvLSTM's activation, on Kinetics-600", configs={
        'ConvLSTM with ReLU': 'trivd_gan/kinetics600_table2_conv_lstm.gin'}),
    Table('appendix F.4', 'a unit that the paper measures, and does not train', (
        Row('Dynamic ConvLSTM', 'trivd_gan/kinetics600_table2_dynamic_conv_lstm.gin',
            ('trivd_gan_kinetics600_validation',)),)),
))

_COSTS = "[by the TPU's compiler](cascades/costs.md)"
_CASCADES = """
One command trains all levels of a cascade, one after the other, each from the frozen ones below it;
[cascades.md](cascades.md) has more. Evaluate and sample the cascade's directory.

```
python -m launch.train_cascade --gin_file={folder}/CASCADE.gin --model_dir=runs/cascade
```
"""

CVG = Paper('cvg', 'CVG', _CASCADES.format(folder='cvg'), (
    Table('Table 1', 'Kinetics-600, 128 x 128', note="""
DVD-GAN's numbers are of its own paper; its configs are beside TrIVD-GAN's, and `launch.train` is
their command. All rows have every second frame. DVD-GAN has the mixed projection head and an
average of weights, CVG a head that judges frame by frame and no average:
[cascades.md](cascades.md).
"""),
    Table('Table 2', 'UCF-101, 16/128x128'),
    Table('Table 3', 'matching discriminator'),
    Table('Table 4', 'windows, on Kinetics-600 with 48 frames'),
    Table('appendix', 'our copy lacks it', (
        Row('BDD100K, 48/256x256', 'cvg/bdd100k.gin', ('cvg_bdd100k_48',),
            printed=f'samples; IS and FVD {LOST}'),
        Row('power spectrum', 'cvg/kinetics600.gin', ('cvg_kinetics600_power_spectrum',),
            printed=f'announced; {LOST}'),
        Row('motion, by class', 'cvg/kinetics600.gin', ('cvg_kinetics600_classes',),
            printed=f'announced; {LOST}'),
        Row('recurrent layers, running time', printed=LOST))),
    Table('figure 5', 'matching discriminator, if windows are those of Table 1', (
        Row('Kinetics-600: CVG (No MD), 6-frame windows', 'cvg/kinetics600_window6_no_md.gin',
            ('cvg_kinetics600_48',), printed='samples alone'),)),
    Table('figure 3', 'memory on a GPU, by the number of frames', (
        Row('the second level, windows of 6 frames to 12 of 128 x 128', 'cvg/ucf101_level2.gin',
            printed='10290 MB', state=_COSTS),)),
))


def _dvd_gan(frames):
  return Row(f'DVD-GAN 128x128/{frames}, quoted',
             f'trivd_gan/dvd_gan_kinetics600_{frames}_128.gin', (f'cvg_kinetics600_{frames}',),
             printed=LOST)


def _kinetics(label, stem, *protocols, printed=LOST):
  return Row(label, f'ssw_gan/{stem}.gin',
             tuple(f'ssw_gan_kinetics600_{name}' for name in protocols), printed)


def _bdd(label, stem):
  return Row(label, f'ssw_gan/{stem}.gin', ('ssw_gan_bdd100k_6', 'ssw_gan_bdd100k_50'), LOST)


SSW_GAN = Paper('ssw_gan', 'SSW-GAN', _CASCADES.format(folder='ssw_gan') + """
DVD-GAN's command is `launch.train`. Our copy of the paper has the tables' titles, and has lost all
their numbers.
""", (
    Table('Table 1', 'Kinetics-600, 128 x 128: IS, FID, FVD', (
        _dvd_gan(12), _dvd_gan(48),
        _kinetics('SSW-GAN 128x128/12, 12 and 48 frames', 'kinetics600', '12', '48'),
        _kinetics('SSW-GAN 128x128/6, 48 frames', 'kinetics600_window3', '48')), note="""
SSW-GAN has every fourth frame, DVD-GAN every second one, as in CVG's table: their scores are of
other motion. Heads and averages differ as there.
"""),
    Table('Table 2', 'matching discriminator, 6 and 50 frames', (
        _kinetics('Kinetics-600: SSW-GAN (No MD)', 'kinetics600_ablation_no_md', '6', '50'),
        _kinetics('Kinetics-600: SSW-GAN', 'kinetics600_ablation', '6', '50'),
        _bdd('BDD100K: SSW-GAN (No MD)', 'bdd100k_ablation_no_md'),
        _bdd('BDD100K: SSW-GAN', 'bdd100k_ablation'))),
    Table('Table 3', 'computational costs', (
        Row('DVD-GAN', 'trivd_gan/dvd_gan_kinetics600_48_128.gin', printed=LOST, state=_COSTS),
        Row('SSW-GAN', 'ssw_gan/kinetics600.gin', state=_COSTS, printed=(
            f'{LOST}; its title: "roughly half of the training time", "4x less GPU memory"')))),
    Table('Table 4', 'classes with much and with little motion (appendix G): IS, FID', (
        _kinetics('five classes of each', 'kinetics600', 'classes'),)),
    Table('figures', 'samples and curves', (
        Row('figure 3: DVD-GAN 128x128/6, unrolled to 50 frames',
            'trivd_gan/dvd_gan_kinetics600_6_128.gin', ('ssw_gan_kinetics600_50',),
            printed='samples alone'),
        Row('section 5.2, figure 5: BDD100K, 128x128/100', 'ssw_gan/bdd100k.gin',
            ('ssw_gan_bdd100k_100',), printed='samples alone'),
        _kinetics('appendix C, figure 6: ConvGRU', 'kinetics600_appendix_c_conv_gru', '12',
                  printed='curves, normalized'),
        _kinetics('appendix C, figure 6: separable 3-D convolution', 'kinetics600', '12',
                  printed='curves, normalized'),
        _kinetics('appendix D: SSW-GAN (No MD), 128x128/12', 'kinetics600_no_md', '48',
                  printed='samples alone'),
        _kinetics('appendix E, figure 9: power spectra', 'kinetics600', 'power_spectrum',
                  printed='curves'),
        Row('appendix F, figure 10', printed=LOST),
        _kinetics('appendix H, figure 13: both stages together (`launch.train`)',
                  'kinetics600_appendix_h_joint', printed='samples alone'))),
))

PAPERS = (VIDEOGPT, VIDEO_TRANSFORMER, TRIVD_GAN, CVG, SSW_GAN)

SMALL = (
    Small(('videogpt/moving_mnist_vqvae_quickstart.gin',
           'videogpt/moving_mnist_prior_quickstart.gin'), 'VideoGPT, `launch/quickstart.sh`',
          'trained: the picture in the [README](../README.md)'),
    Small(('videogpt/smoke.gin',),
          'a VQ-VAE that tells whether a data set trains ([data.md](data.md))',
          'trained for a few steps by tests of data sets'),
    Small(('video_transformer/moving_mnist_single_frame_small.gin',),
          'Video Transformer, one frame at a time',
          'trained, 25 minutes: 110.1 nats/frame ([page](video_transformer.md))'),
    Small(('trivd_gan/smoke.gin',), 'TrIVD-GAN-FP, moving shapes',
          'trained, 20 minutes: better than copies at every distance ([page](trivd_gan.md))'),
    Small(('ssw_gan/smoke.gin', 'ssw_gan/smoke_stage2_no_md.gin'),
          'SSW-GAN of two stages, with and without matching discriminator, moving shapes',
          'trained, 23 minutes: 26.8 dB from what it upscales, 11.6 without ([page](cascades.md))'),
)
