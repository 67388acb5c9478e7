"""Bad configs, flags and damaged files, as data: what a program is given, and what it must say.

Every row ends with a status that is not 0 and one line, and nothing that was there is gone or other
than before. In arguments and contents, {tmp} is the folder of the test; 'model/...' in a state is
in the model directory of a tiny VQ-VAE of two steps, which is {tmp}/model.
"""

import typing

FOLDER, LINK, GONE = object(), object(), object()  # instead of a content: what a path is


class Row(typing.NamedTuple):
  """A bad input.

  Attributes:
    program: its name.
    arguments: str, the command line.
    words: what the line has in it.
    state: dict, path -> content (str or bytes, FOLDER, a LINK to nowhere, GONE).
    status: of the end.
  """
  program: str
  arguments: str
  words: str
  state: dict = {}
  status: int = 1


_VQVAE = '--gin_file={tmp}/tiny_vqvae.gin --model_dir={tmp}/run'
_MODEL = '--gin_file={tmp}/tiny_vqvae.gin --model_dir={tmp}/model'
_HAS = '--model_dir={tmp}/model'


def _of_bindings():
  """Bindings of the wrong type or range."""
  wrong = [
      ('vqvae.VQVAE.hidden', ["'eight'", '2.5', '-8', '0', 'None', 'True', '(8,8)']),
      ('vqvae.VQVAE.downsampling', ['(4,4)', '4', '(0,2,2)', "'all'", '(2,2,2.5)', '()']),
      ('vqvae.ResidualStack.attention', ["'no'", '0', 'None']),
      ('vqvae.ResidualStack.layers', ['-1', '1.0']),
      ('vqvae.VQVAE.quantizer', ['8', "'vq'"]),
      ('vector_quantizer.VectorQuantizer.codes', ['0', '-1', "'many'"]),
      ('vector_quantizer.VectorQuantizer.decay', ['1', '-0.5', "'slow'"]),
      ('experiment.Experiment.batch_size', ["'4'", '0', '-4', '2.0', '@vqvae.VQVAE']),
      ('experiment.Experiment.train_steps', ['0', '-6', '6.5', "'all'"]),
      ('experiment.Experiment.splits', ['()', '[]', "''", '(1,)', 'None']),
      ('experiment.Experiment.evaluation_limit', ['0', '-1', "'none'"]),
      ('experiment.Experiment.seed', ['-1', '1.5', "'x'", '36893488147419103232']),
      ('experiment.Experiment.precision', ["'float16'", '32', 'None']),
      ('experiment.Experiment.clip_norm', ['-1', '0', "'large'"]),
      ('experiment.Experiment.clips', ["'data'", '3']),
      ('experiment.train.steps_per_loop', ['0', '-1', '1.5']),
      ('experiment.train.checkpoint_interval', ['0', '-5', 'None']),
      ('experiment.train.evaluation_interval', ['-5', '0', "'end'"]),
      ('experiment.train.keep_checkpoints', ['0', '-1']),
      ('experiment.train.preview_clips', ['-1', '1.5']),
      ('optimizers.adam.learning_rate', ['-1e-3', '0', "'fast'", 'None']),
      ('optimizers.adam.beta_1', ['1', '-0.1']),
      ('clips.FileClips.frames', ['0', '-4', '4.0', "'4'"]),
      ('clips.FileClips.train_path', ['3', "''"]),
      ('tasks.VQVAETask.data_variance', ['-1', '0', "'auto'"]),
      ('tasks.VQVAETask.commitment_cost', ['-0.25', "'low'"]),
  ]
  return [Row('train', f'{_VQVAE} --gin_param={name}={value}', f'{name} = ')
          for name, values in wrong for value in values]


ROWS = [
    *_of_bindings(),
    # Flags and arguments.
    Row('train', f'{_VQVAE} gin_param=X=1', "'gin_param=X=1' is not a flag", status=2),
    Row('train', f'{_VQVAE} train', "'train' is not a flag, and nothing reads it", status=2),
    Row('train', f'{_VQVAE} --mode=evalute', 'mode', status=2),
    Row('train', f'{_VQVAE} --steps=3', "Unknown command line flag 'steps'", status=2),
    Row('train', f'{_VQVAE} --worker_timeout=0', 'worker_timeout', status=2),
    Row('train', f'{_VQVAE} --strategy=gpu', "unknown strategy 'gpu'"),
    Row('train', f'{_VQVAE} --gin_param=hidden', 'is not a binding'),
    Row('train', f'{_VQVAE} --gin_param=STEPS=3', 'the config has no macro STEPS'),
    Row('train', f'{_VQVAE} --gin_param=vqvae.VQVAE.hiden=3', 'hiden'),
    Row('train', f'{_VQVAE} --gin_param=nothing.Here.x=3', 'nothing'),
    Row('train', f'{_VQVAE} --gin_param=vqvae.VQVAE.hidden=(', 'in the config'),
    Row('train', '--gin_file={tmp}/tiny_vqvea.gin --model_dir={tmp}/run', 'no config'),
    Row('train', '--gin_file={tmp} --model_dir={tmp}/run', 'no config'),
    Row('train', '--gin_file={tmp}/tiny_vqvae.gin', '--model_dir is missing'),
    Row('train', '--model_dir={tmp}/run', '--gin_file is missing'),
    Row('train', '--gin_file={tmp}/a.gin --model_dir={tmp}/run', 'not text in UTF-8',
        {'a.gin': b'Caf\xe9 = 3'}),
    Row('train', '--gin_file={tmp}/a.gin --model_dir={tmp}/run', 'in the config',
        {'a.gin': 'from __gin__ import dynamic_registration\nfrom tf_videogen import experiment\n'
                  'experiment.Experiment.batch_size = = 3\n'}),
    Row('train', '--gin_file={tmp}/a.gin --model_dir={tmp}/run', 'no config not_there.gin',
        {'a.gin': "include 'not_there.gin'\nexperiment.Experiment.batch_size = 3\n"}),
    # The data.
    Row('train', f'{_VQVAE} --gin_param=clips.FileClips.train_path="none.npz"',
        'there is no file none.npz'),
    Row('train', f'{_VQVAE} --gin_param=clips.FileClips.train_path="{{tmp}}/a.npz"',
        'cannot be read as arrays', {'a.npz': b'PK\x03\x04 no zip'}),
    Row('train', f'{_VQVAE} --gin_param=clips.FileClips.train_path="{{tmp}}/a.npy"',
        'cannot be read as arrays', {'a.npy': b"\x93NUMPY\x01\x00\x50\x00{'descr': '|u1', "
                                           b"'fortran_order': False, 'shape': (9, 99999, 99999, "
                                           b"9999, 3),}\n"}),
    Row('train', f'{_VQVAE} --gin_param=clips.FileClips.train_path="{{tmp}}"', 'directory'),
    Row('train', f'{_VQVAE} --gin_param=clips.FileClips.frames=50', 'need 50'),
    Row('train', f"{_VQVAE} --gin_param=experiment.Experiment.splits=('valid',)",
        "no file for split 'valid'"),
    Row('train', f"{_VQVAE} --gin_param=experiment.Experiment.splits=('test','dev')",
        "no file for split 'dev'"),
    Row('train', f'{_VQVAE} --gin_param=clips.FileClips.test_path="none.npz"',
        'there is no file none.npz'),
    # Model directories.
    Row('train', f'{_MODEL} --gin_param=vqvae.VQVAE.hidden=16', 'the directory of another config'),
    Row('train', f'{_MODEL}', 'config.gin is not a gin config',
        {'model/config.gin': 'garbage ((('}),
    Row('train', f'{_MODEL}', 'config.gin is not a gin config', {'model/config.gin': 'just words'}),
    Row('train', f'{_MODEL}', 'not text in UTF-8', {'model/config.gin': b'\xff\xfe\x00'}),
    Row('train', f'{_MODEL}', 'can be read',
        {'model/ckpt-2.index': b'', 'model/ckpt-1.index': b''}),
    Row('train', f'{_MODEL}', 'training.csv', {'model/training.csv': 'loss,step\n1,2\n'}),
    Row('train', f'{_MODEL}', 'training.csv', {'model/training.csv': 'step,loss\n1,two\n'}),
    Row('train', f'{_MODEL}', 'results.csv', {'model/results.csv': 'a,b\n1,2\n'}),
    Row('train', f'{_MODEL}', 'results.csv', {'model/results.csv': b'\xe9\n'}),
    Row('train', f'{_MODEL}', 'results.csv, line 2', {'model/results.csv': 'step,split\n1\n'}),
    Row('train', '--gin_file={tmp}/tiny_vqvae.gin --model_dir={tmp}/a', 'cannot be written into',
        {'a': 'a file'}),
    Row('train', '--gin_file={tmp}/tiny_vqvae.gin --model_dir={tmp}/a/b', 'cannot be written into',
        {'a': 'a file'}),
    Row('train', '--gin_file={tmp}/tiny_vqvae.gin --model_dir={tmp}/a/b', 'cannot be written into',
        {'a': LINK}),
    Row('train', f'{_MODEL}', 'cannot be written', {'model/clips.json': FOLDER}),
    Row('train', f'{_MODEL}', 'cannot be read', {'model/config.gin': GONE,
                                                    'model/config.gin/x': 'mine'}),
    Row('train', f'{_MODEL}', 'cannot be', {'model/summaries': 'a file'}),
    Row('train', f'{_VQVAE} --mode=evaluate', 'no checkpoint'),
    *[Row(program, _HAS + more, words, {f'model/{name}': content})
      for program, more in (('evaluate', ''), ('sample', ' --output={tmp}/out'),
                            ('export', ' --export_dir={tmp}/out'))
      for name, content, words in (
          ('config.gin', 'garbage (((', 'in the config'),
          ('config.gin', b'\xff\xfe\x00', 'not text in UTF-8'),
          ('config.gin', GONE, '--gin_file is missing'))],
    *[Row(program, _HAS + more, 'clips.json', {'model/clips.json': content})
      for program, more in (('sample', ' --output={tmp}/out'), ('export', ' --export_dir={tmp}/o'))
      for content in ('', '{', '[]', '{"video": {}}', '{"video": {"shape": 3, "dtype": "uint8"}}',
                      b'\xff', GONE)],
    Row('evaluate', _HAS, 'can be read', {'model/ckpt-2.index': b'x', 'model/ckpt-1.index': GONE}),
    Row('evaluate', f'{_HAS} --gin_file=evaluation/none.gin', 'no config evaluation/none.gin'),
    Row('evaluate', f'{_HAS} --keep_best=psnr', '--keep_best is for protocols'),
    Row('evaluate', f'{_HAS} --follow', '--follow is for protocols'),
    Row('evaluate', f'{_HAS} --batch_size=0', 'batch_size', status=2),
    Row('evaluate', '--model_dir={tmp}/none', '--gin_file is missing'),
    Row('evaluate', _HAS, 'results.csv', {'model/results.csv': FOLDER}),
    Row('evaluate', _HAS, 'previews', {'model/previews': 'a file'}),
    # Samples and exports.
    Row('sample', f'{_HAS} --output={{tmp}}/out', 'sample'),  # a VQ-VAE draws none
    Row('sample', f'{_HAS} --temperature=nan', '--temperature=nan', status=2),
    Row('sample', f'{_HAS} --temperature=-1', 'temperature', status=2),
    Row('sample', f'{_HAS} --top_p=1.5', 'top_p', status=2),
    Row('sample', f'{_HAS} --top_k=0', 'top_k', status=2),
    Row('sample', f'{_HAS} --num_samples=0', 'num_samples', status=2),
    Row('sample', f'{_HAS} --num_samples=-3', 'num_samples', status=2),
    Row('sample', f'{_HAS} --seed=36893488147419103232', 'seed', status=2),
    Row('sample', f'{_HAS} --seed=-1', 'seed', status=2),
    Row('sample', f'{_HAS} --fps=0', 'fps', status=2),
    Row('sample', f'{_HAS} --output={{tmp}}/a', 'cannot be written into', {'a': 'a file'}),
    Row('sample', f'{_HAS} --output={{tmp}}/a/b', 'cannot be written into', {'a': LINK}),
    Row('export', _HAS, '--export_dir is missing'),
    Row('export', f'{_HAS} --export_dir={{tmp}}/a/b', 'cannot be written into', {'a': 'a file'}),
    Row('export', f'{_HAS} --export_dir={{tmp}}/out --temperature=inf', 'temperature', status=2),
    # Reports.
    Row('report', '', '--model_dir is missing'),
    Row('report', f'{_HAS} --output={{tmp}}/a/b.html', 'cannot be written', {'a': 'a file'}),
    Row('report', f'{_HAS} --output={{tmp}}/a', 'a: ', {'a/x': 'mine'}),
    Row('report', f'{_HAS} --paper=psnr', '--paper=psnr: write METRIC=VALUE'),
    Row('report', f'{_HAS} --paper=psnr=high', 'write METRIC=VALUE'),
    Row('report', _HAS, 'is not a gin config', {'model/config.gin': 'garbage ((('}),
    Row('report', _HAS, 'clips.json is damaged', {'model/clips.json': '{"video": 3}'}),
    Row('report', _HAS, 'samples.npz cannot be read', {'model/samples/samples.npz': 'no zip'}),
    Row('report', _HAS, 'test.npz', {'model/previews/test.npz': b'PK\x03\x04'}),
    Row('report', _HAS, 'results.csv', {'model/results.csv': 'a,b\n1,2\n'}),
    Row('report', _HAS, 'training.csv', {'model/training.csv': 'loss\n1\n'}),
    Row('report', '--model_dir={tmp}/a', 'cascade.json is damaged',
        {'a/cascade.json': '{"levels": 3}'}),
    # Two sides.
    Row('compare', '', 'two sides are compared'),
    Row('compare', '--real={tmp}/none', 'give --real and --generated'),
    Row('compare', '--real={tmp}/none --generated={tmp}/none', 'none'),
    Row('compare', '--real={tmp}/a --generated={tmp}/a', 'a', {'a': FOLDER}),
    Row('compare', '--real={tmp}/test.npz --generated={tmp}/a.npz --networks=random',
        'cannot be read as arrays', {'a.npz': 'no zip'}),
    Row('compare', '--real={tmp}/a.npz --generated={tmp}/a.npz --videos=1', 'videos', status=2),
    Row('compare', '--real={tmp}/a.npz --generated={tmp}/a.npz --frames=0', 'frames', status=2),
    Row('compare', '--real={tmp}/test.npz --generated={tmp}/test.npz --baseline=real_vs_real',
        'either --generated or --baseline'),
    Row('compare', '--real={tmp}/test.npz --generated={tmp}/test.npz --model_dir={tmp}/model',
        '--model_dir is for models'),
    Row('compare', '--real={tmp}/test.npz --generated={tmp}/test.npz --split=train',
        '--split is for data sets'),
    Row('compare', '--real={tmp}/test.npz --generated={tmp}/test.npz --output={tmp}/a',
        'cannot be written into', {'a': 'a file'}),
    Row('compare', '--real={tmp}/test.npz --generated={tmp}/test.npz --frames=99', '99'),
    # Cascades.
    Row('train_cascade', '--gin_file={tmp}/tiny_vqvae.gin --model_dir={tmp}/run',
        'must be the config of a cascade'),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin', '--model_dir is missing'),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin --model_dir={tmp}/run --level=3',
        'the cascade has 2 levels'),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin --model_dir={tmp}/run --level_param=X=1',
        'must be N:NAME=VALUE'),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin --model_dir={tmp}/run '
        '--level_param=2:experiment.Experiment.batch_size=0', 'batch_size = 0: it must be'),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin --model_dir={tmp}/run '
        "--level_param=2:experiment.Experiment.splits=('dev',)", "'dev'"),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin --model_dir={tmp}/run',
        'cascade.json is damaged', {'run/cascade.json': '{}'}),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin --model_dir={tmp}/run',
        'the directory of another cascade', {'run/cascade.json': '{"levels": ["a.gin"]}'}),
    Row('train_cascade', '--gin_file=ssw_gan/smoke.gin --model_dir={tmp}/a',
        'cannot be written', {'a': 'a file'}),
    # The others.
    Row('prepare', '', '--dataset is missing'),
    Row('prepare', '--dataset=nothing_clips', "no data set 'nothing_clips'"),
    Row('prepare', '--dataset=ucf101_clips/65', "has no config '65'"),
    Row('prepare', '--dataset=ucf101_clips/64 --manual_dir={tmp}/none --data_dir={tmp}/data',
        'is not a folder'),
    Row('prepare', '--dataset=ucf101_clips/64 --data_dir={tmp}/a/b', 'cannot be written into',
        {'a': 'a file'}),
    Row('prepare', '--dataset=ucf101_clips/64 --max_failed_share=nan', 'max_failed_share',
        status=2),
    Row('prepare', '--dataset=ucf101_clips/64 --time_limit=0', 'time_limit', status=2),
    Row('inspect_connectivity', '', '--gin_file is missing'),
    Row('inspect_connectivity', '--gin_file={tmp}/tiny_vqvae.gin --map={tmp}/a.gif', 'must end in'),
    Row('inspect_connectivity', '--gin_file={tmp}/tiny_vqvae.gin --map={tmp}/a/b.png',
        'cannot be written into', {'a': 'a file'}),
    Row('inspect_connectivity', '--gin_file={tmp}/tiny_vqvae.gin --map={tmp}/a.png',
        'not the config of a Video Transformer'),
    Row('inspect_motion', f'{_HAS} --clips=0', 'clips', status=2),
    Row('inspect_motion', f'{_HAS} --motion_output={{tmp}}/a', 'cannot be written into',
        {'a': 'a file'}),
    Row('get_networks', '--network=none', 'none', status=2),
    Row('benchmark', '--work=input', '--gin_file is missing'),
    Row('benchmark', '--work=prepare', '--manual_dir is missing'),
    Row('benchmark', '--work=none', 'work', status=2),
    Row('download_tgif', '', '--manual_dir is missing'),
    Row('download_tgif', '--manual_dir={tmp} --requests_per_second=nan', 'requests_per_second',
        status=2),
    Row('restarts', '', 'give the model directory after --'),
    Row('preflight', '--gin_file={tmp}/tiny_vqvae.gin --topology=v9', 'v9'),
    Row('preflight', '', '--gin_file'),
    Row('preflight', '--gin_file={tmp}/tiny_vqvae.gin --efficiency=nan', 'efficiency', status=2),
]
