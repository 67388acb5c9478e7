"""launch.preflight: figures, sweeps, exit statuses, mistakes in one line; and the real compiler."""

import json
import re
import threading
import time

import pytest
import tensorflow as tf

from tests.launch import in_process
from tf_videogen.launch import preflight
from tf_videogen.launch import tpu_programs
from tf_videogen.preflight import compiler
from tf_videogen.preflight import hardware
from tf_videogen.preflight import programs
from tf_videogen.preflight import waiting

NAME = 'python -m launch.preflight'
HIDDEN = 'vqvae.VQVAE.hidden'


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
  """Programs are exported in the process of the tests, which takes no start."""
  monkeypatch.setattr(tpu_programs, 'export_apart', tpu_programs.export)
  yield
  tf.keras.mixed_precision.set_global_policy('float32')


def _run(*arguments):
  return in_process.run(preflight.main, *arguments, name=NAME)


@pytest.fixture(name='compiled')
def _compiled(monkeypatch):
  """A compiler that needs 3 GiB a clip; returns the batches that it was asked for."""
  batches = []

  def compile_program(exported, topology, say):
    del topology, say
    batches.append(exported.batch)
    gib = 3 * exported.batch
    if gib > 16:
      return compiler.Compiled(False, f'out of memory: required {gib}G, available 15.48G')
    return compiler.Compiled(True, peak_bytes=gib << 30, flops=61.5e12, bytes_accessed=45e9)

  monkeypatch.setattr(compiler, 'compile_program', compile_program)
  return batches


@pytest.fixture(name='unexported')
def _unexported(monkeypatch):
  """Programs that are not exported, where the compiler above doesn't read them."""
  monkeypatch.setattr(tpu_programs, 'export_apart', lambda request: programs.Program(
      request.program, request.batch, 1000, b''))


@pytest.mark.usefixtures('unexported')
def test_figures(tiny_files, compiled, capsys):
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--topology=v4:2x2x1',
              '--program=train', '--program=evaluate') == 0
  out = capsys.readouterr().out
  assert compiled == [1, 1] and f'{tiny_files.vqvae_gin} on v4:2x2x1, 4 cores' in out
  assert 'train: batch 1 per core, compiled, fits: 3.00 of 32.00 GiB' in out
  assert '6 steps on 4 cores' in out and 'evaluate: batch 1 per core' in out


@pytest.mark.usefixtures('unexported', 'compiled')
@pytest.mark.parametrize('arguments, known', [
    ((), True), (('--program=sample',), True), (("--gin_param=VQVAE_DIR='somewhere'",), True),
    (('--gin_param=videogpt.LatentTransformer.layers=2',), False),
    (('--program=evaluate', '--gin_file=videogpt/bair_vqvae.gin'), False)])
def test_what_is_known_comes_first(capsys, arguments, known):
  shape = ['--clip_shape=16x64x64x3', '--actions=4']
  assert _run('--gin_file=videogpt/bair_prior.gin', *shape, *arguments) == 0
  first, second = capsys.readouterr().out.splitlines()[:2]
  assert first.endswith('on v3:2x2, 8 cores')
  assert second.startswith('known: ') == known
  if known and not arguments:
    assert re.fullmatch(
        r'known: train on v3:2x2, 8 cores, batch 4 per core: 12.86 of 16.00 GiB, at least 474.0 ms '
        r'per step, 158 core-hours \(compiled on 2026-\d\d-\d\d at commit \w{10}.*\)', second)


@pytest.mark.usefixtures('unexported', 'compiled')
def test_what_it_costs(tiny_files, capsys):
  """Chips of v3 have two cores; a toy's hours have digits that tell."""
  flags = [f'--gin_file={tiny_files.vqvae_gin}', '--price_per_chip_hour=2.2', '--batch_per_core=1']
  assert _run(*flags, '--topology=v2:2x2', '--gin_param=experiment.Experiment.batch_size=8') == 0
  assert '6 steps on 8 cores: 0.0364 core-hours at the bound, 0.0911 at 40%' in (
      out := capsys.readouterr().out)
  assert 'at 2.20 per chip and hour, they cost 0.0401 at the bound, 0.1 at 40% of its speed' in out
  assert _run(*flags, '--topology=v2:2x2', '--gin_param=experiment.Experiment.batch_size=8',
              '--json') == 0
  assert json.loads(capsys.readouterr().out)['price'] == pytest.approx(0.0401, rel=1e-2)


def test_long_work_says_so():
  said = []
  with waiting.told(said.append, 'compiling', 'about 3 s', seconds=0.05):
    time.sleep(0.3)
  assert said[0] == 'compiling: about 3 s' and said[1] == 'compiling, 0 s so far'
  count = len(said)
  time.sleep(0.2)
  assert len(said) == count
  assert compiler.expected_time(3000) == 'about 33 s'
  assert compiler.expected_time(60_000) == 'about 6 minutes'


@pytest.mark.usefixtures('unexported')
def test_json_and_the_largest_batch(tiny_files, compiled, capsys):
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=2', '--find_batch',
              '--json') == 0
  said = json.loads(capsys.readouterr().out)
  assert said['batch'] == 2 and said['largest_batch'] == 5 and said['smallest_cores'] == 1
  assert set(compiled) == {2, 4, 8, 6, 5}
  assert said['fits'] and said['peak_bytes'] == 6 << 30 and said['bound_s'] == 1.0
  assert said['parameters'] == 1000


@pytest.mark.usefixtures('unexported')
def test_what_does_not_fit_fails(tiny_files, compiled, capsys):
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=6') == 1
  assert compiled == [6, 3, 4, 5]
  out = capsys.readouterr().out
  assert 'train: does not compile for v3:2x2, batch 6 per core: out of memory: required 18G' in out
  assert 'largest batch per core that fits: 5\n' in out
  assert "smallest number of cores for the config's 4 clips: 1\n" in out


@pytest.mark.usefixtures('unexported')
def test_what_the_compiler_refuses_fails(tiny_files, monkeypatch, capsys):
  monkeypatch.setattr(compiler, 'compile_program',
                      lambda *_: compiler.Compiled(False, 'no such operation'))
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=6') == 1
  out = capsys.readouterr().out
  assert 'batch 6 per core: no such operation' in out and 'largest batch' not in out


@pytest.mark.usefixtures('unexported')
def test_hours_are_of_the_config_only(tiny_files, compiled, capsys):
  """Not of another batch than the config's, 4 over 4 cores."""
  config = [f'--gin_file={tiny_files.vqvae_gin}', '--topology=v4:2x2x1', '--json',
            '--efficiency=0.5']
  assert _run(*config) == 0 and _run(*config, '--batch_per_core=2') == 0
  its, other = map(json.loads, capsys.readouterr().out.splitlines())
  assert its['core_hours'] == 6 * 4 / 3600 * its['bound_s'] and 'core_hours' not in other
  assert its['core_hours_at_efficiency'] == 2 * its['core_hours']
  assert compiled == [1, 2]


def test_a_sweep(tiny_files, compiled, capsys, tmp_path):
  plot = tmp_path / 'sweep.png'
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=1', f'--plot={plot}',
              f'--sweep={HIDDEN}=8,16', '--program=evaluate') == 0
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == 'evaluate, v3:2x2, batch 1 per core' and compiled == [1, 1]
  assert [line.split()[0] for line in lines[1:]] == ['hidden', '8', '16']
  parameters = [int(line.split()[1].replace(',', '')) for line in lines[2:]]
  assert parameters[0] < parameters[1] and plot.read_bytes()[:4] == b'\x89PNG'


def test_the_exported_program_is_the_compiled_one(tiny_files, compiled, tmp_path):
  del compiled
  path = tmp_path / 'step.hlo.pb'
  arguments = [f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=1', '--program=evaluate']
  assert _run(*arguments, f'--export_hlo={path}') == 0
  assert len(programs.digest(path.read_bytes())) == 16


def test_a_program_has_no_initial_values(tiny_files, monkeypatch):
  request = tpu_programs.Request((tiny_files.vqvae_gin,), (), None, 'evaluate', 1)
  without_values = tpu_programs.export(request).digest
  monkeypatch.setattr(tpu_programs, '_without_values', lambda create, **kwargs: create(**kwargs))
  assert tpu_programs.export(request).digest == without_values


@pytest.mark.slow
def test_exported_in_a_process_of_its_own(tiny_files, monkeypatch):
  request = tpu_programs.Request((tiny_files.vqvae_gin,), (), None, 'train', 1)
  here = tpu_programs.export_apart(request)
  monkeypatch.undo()
  apart = tpu_programs.export_apart(request)
  assert apart.digest == here.digest and apart.parameters == here.parameters
  with pytest.raises(ValueError, match='must be three powers of two'):  # a model's constructor
    tpu_programs.export_apart(
        request._replace(gin_params=('vqvae.VQVAE.downsampling = (3, 4, 4)',)))


def test_shapes_of_data_that_is_not_prepared(tmp_path):
  from tf_videogen.data import clips  # pylint: disable=g-import-not-at-top
  bair = clips.PreparedClips('bair_robot_pushing_small', 16, data_dir=str(tmp_path),
                             features={'video': 'image_aux1', 'actions': 'action'})
  spec = tpu_programs.example_spec(bair)
  assert spec['video'].shape == (16, 64, 64, 3) and spec['actions'].shape == (16, 4)
  unknown = clips.PreparedClips('ucf101_nobody', 16, data_dir=str(tmp_path))
  with pytest.raises(ValueError, match='or give --clip_shape=TxHxWxC'):
    tpu_programs.example_spec(unknown)
  spec = tpu_programs.example_spec(unknown, '16x32x32x3', 2)
  assert spec['video'].shape == (16, 32, 32, 3) and spec['actions'].shape == (16, 2)


@pytest.mark.parametrize('sweep, values', [
    ('a.b=1,2', ['1', '2']), ('a.b=(1, 2), (3, 4)', ['(1, 2)', '(3, 4)']),
    ("a.b='x,y',@c.D", ["'x,y'", '@c.D'])])
def test_values_of_a_sweep(sweep, values):
  assert preflight._values(sweep) == ('a.b', values)


@pytest.mark.parametrize('message, arguments', [
    ("unknown topology 'v7:2x2'; there are these and larger ones: v2:2x2", ['--topology=v7:2x2']),
    ('--gin_file is missing', ['--gin_file=']),
    ('not divisible by the 8 cores of v3:2x2; choose another --topology or --batch_per_core', []),
    ('VQVAETask has nothing to sample from', ['--program=sample', '--batch_per_core=1']),
    ('--clip_shape=64 must be TxHxWxC', ['--clip_shape=64', '--batch_per_core=1']),
    ('--sweep takes one --program', ['--sweep=x=1', '--find_batch']),
    ('--plot draws a --sweep', ['--plot=x.png']),
    ('--export_hlo takes one --program',
     ['--export_hlo=x', '--program=train', '--program=evaluate']),
    ('--sweep=x must be BINDING=V1,V2', ['--sweep=x']),
    ('hiden', ['--sweep=vqvae.VQVAE.hiden=3,4']),
])
def test_mistakes_are_one_line(message, arguments, tiny_files, compiled, capsys):
  del compiled
  config = [] if '--gin_file=' in arguments else [f'--gin_file={tiny_files.vqvae_gin}']
  assert _run(*config, *[a for a in arguments if a != '--gin_file=']) == 1
  captured = capsys.readouterr()
  lines = [line for line in captured.err.splitlines() if not line.startswith('preflight: building')]
  assert len(lines) == 1 and message in lines[0], captured.err


@pytest.mark.usefixtures('unexported')
def test_no_compiler_says_how_to_get_it(tiny_files, monkeypatch, tmp_path, capsys):
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path))
  monkeypatch.setenv('TF_VIDEOGEN_COMPILER_PYTHON', '/not/there')
  monkeypatch.setattr(compiler, '_OLDEST_PYTHON', (9, 0))
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=1') == 1
  assert 'TF_VIDEOGEN_COMPILER_PYTHON=/path/to/python3.11' in capsys.readouterr().err
  assert not list(tmp_path.glob('*/installed'))


def test_no_network_says_so(monkeypatch, tmp_path):
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path))
  monkeypatch.setattr(compiler, '_OLDEST_PYTHON', (3, 10))  # any that there is
  monkeypatch.setattr(compiler, '_run', _no_network(compiler._run))
  with pytest.raises(compiler.Unavailable, match='is there a network and a package index'):
    compiler.environment(lambda words: None)
  assert not list(tmp_path.glob('*/installed'))


def _no_network(run):
  return lambda command, what: run(
      ['false'] if 'pip' in command else ['true'], what)


def test_reasons_of_the_compiler_are_shortened():
  error = ('RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total '
           'memory required for HLO temporaries (20.10G) exceeds available HBM (15.48G). HLO '
           'module: m.\nop_name="block_3/MatMul" source_file="/x/tf_videogen/layers/a.py" '
           'source_line=7')
  assert compiler.shortened(error) == ('out of memory: required 20.10G, available 15.48G '
                                       '(operation block_3/MatMul, tf_videogen/layers/a.py:7)')
  assert compiler.shortened('bad\nworse') == 'bad'


@pytest.fixture(name='tpu_compiler')
def _tpu_compiler(monkeypatch, tmp_path):
  """The real compiler, which has compiled nothing yet."""
  try:
    compiler.environment()
  except compiler.Unavailable as error:
    pytest.skip(str(error))
  monkeypatch.setattr(compiler, 'compiled_dir', lambda: tmp_path)


@pytest.mark.slow
def test_the_tpu_compiler_takes_a_training_step(tiny_files, tpu_compiler, capsys):
  """The real compiler on a real program: the smallest of all."""
  del tpu_compiler
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=1', '--json') == 0
  said = json.loads(capsys.readouterr().out)
  assert said['compiled'] and said['fits'] and 1e5 < said['flops'] < 1e8
  assert 0 < said['temporary_bytes'] < said['peak_bytes'] < 64 << 20


def _hlo(function, *specs):
  ir = tf.function(function, jit_compile=True).experimental_get_compiler_ir(*specs)
  return programs.Program(function.__name__, 1, 0, ir(stage='hlo_serialized'))


def test_what_the_tpu_compiler_says_is_told(tiny_files, tpu_compiler, monkeypatch, capsys):
  """Of a program of one product, in place of the config's."""
  del tpu_compiler
  program = _hlo(lambda x: tf.matmul(x, x), tf.TensorSpec([64, 64]))
  monkeypatch.setattr(tpu_programs, 'export_apart', lambda request: program)
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', '--batch_per_core=1', '--json') == 0
  said = json.loads(capsys.readouterr().out)
  assert said['compiled'] and said['fits'] and 2 * 64**3 <= said['flops'] < 1e6
  assert 0 <= said['temporary_bytes'] < said['peak_bytes'] < 64 << 20


def test_one_compilation_at_a_time(tpu_compiler):
  del tpu_compiler
  program, other = (_hlo(f, tf.TensorSpec([8])) for f in (lambda x: x + 1, lambda x: x + 2))
  topology = hardware.topology('v3:2x2')
  first, second = [], []
  waiting = threading.Thread(
      target=compiler.compile_program, args=(other, topology, second.append))

  def say(what):
    first.append(what)
    waiting.start()
    while not second:
      time.sleep(0.01)

  compiler.compile_program(program, topology, say)
  waiting.join()
  assert [said.split(' ')[0] for said in first + second] == ['compiling', 'waiting', 'compiling']


def test_a_loop_costs_what_its_unrolled_form_costs(tpu_compiler):
  """12 products of 256 x 512 x 512, in loops of 4 and 3, and one after the other."""
  del tpu_compiler
  weights = tf.random.stateless_normal([512, 512], [1, 2])

  def looped(x):
    for _ in tf.range(4):
      x = tf.tanh(x)
      for _ in tf.range(3):
        x += tf.matmul(x, weights)
    return x

  def unrolled(x):
    for _ in range(4):
      x = tf.tanh(x)
      for _ in range(3):
        x += tf.matmul(x, weights)
    return x

  topology, spec = hardware.topology('v3:2x2'), tf.TensorSpec([256, 512])
  loop, straight = (compiler.compile_program(_hlo(f, spec), topology)
                    for f in (looped, unrolled))
  assert straight.flops == pytest.approx(12 * 2 * 256 * 512 * 512, rel=0.01)
  assert loop.flops == pytest.approx(straight.flops, rel=1e-3)
  assert loop.loops_of_unknown_length == 0


def test_what_the_compiler_refuses_is_a_line(tpu_compiler):
  del tpu_compiler
  noise = lambda seed: tf.random.stateless_uniform([64, 1 << 26], seed)  # 16 GiB
  huge = _hlo(lambda seed: tf.reduce_max(tf.sort(noise(seed))[:, 7]), tf.TensorSpec([2], tf.int32))
  refused = compiler.compile_program(huge, hardware.topology('v3:2x2'))
  assert not refused.compiled and refused.error.startswith('out of memory: required ')
