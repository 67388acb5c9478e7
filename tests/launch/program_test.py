"""What programs share: help, flags, errors in one line."""

import pathlib
import sys

import pytest

from tests import processes

ROOT = pathlib.Path(__file__).resolve().parents[2]

DEMO = '''"""Does a thing.

    tf-videogen demo --thing=this

does this.
"""

from absl import flags
from absl import logging

from tf_videogen.launch import program

_THING = flags.DEFINE_string('thing', None, 'The thing to do.', required=True)
_TIMES = flags.DEFINE_integer('times', 3, 'How often.')
_FAST = flags.DEFINE_bool('fast_and_without_looking_back', False, 'Hurry.')
_SPEED = flags.DEFINE_float('speed', 1.0, 'How fast.')
_MODE = flags.DEFINE_enum('mode', None, ['one', 'two'], 'How.')
_FILES = flags.DEFINE_multi_string('file', [], 'A file; may be repeated.')


class OddError(Exception):
  pass


ERRORS = {
    'value': ValueError('thing: this is wrong\\n  In call to configurable'),
    'lines': ValueError('this is wrong\\nand more'),
    'again': OSError("[Errno 5] cannot be written: 'a/b'\\n  In call to configurable 'x'"),
    'keras': ValueError("Exception encountered when calling layer 'a' (type A).\\n\\n"
                        'it is wrong\\n'),
    'file': FileNotFoundError(2, 'No such file or directory', 'a/b'),
    'text': FileNotFoundError('no checkpoint in a/b'),
    'disk': OSError(28, 'No space left on device', 'a/b'),
    'stream': OSError(32, 'Broken pipe'),
    'traced': ValueError('in user code:\\n\\n  File ...'),
    'odd': OddError('odd'),
    'interrupt': KeyboardInterrupt(),
    'exit': SystemExit(7),
}


@program.takes_arguments
def main(argv):
  if _THING.value in ERRORS:
    raise ERRORS[_THING.value]
  logging.info('some information')
  logging.warning('a warning')
  exec(compile("logging.warning('of a library')", '/site-packages/tensorflow/core.py', 'exec'))
  print(_THING.value, _TIMES.value, argv[1:])


if __name__ == '__main__':
  program.run(main)
'''

HELP = '''Does a thing.

    tf-videogen demo --thing=this

does this.

Flags:
  --thing               The thing to do.
  --times               How often. (default: 3)
  --[no]fast_and_without_looking_back
                        Hurry. (default: false)
  --speed               How fast. (default: 1.0)
  --mode                How. One of one, two.
  --file                A file; may be repeated.
'''


@pytest.fixture
def demo(tmp_path):
  """Returns a function that runs the program with arguments: (status, stdout, stderr)."""
  (tmp_path / 'demo.py').write_text(DEMO)

  def run(*arguments, **environment):
    done = processes.run(
        sys.executable, '-m', 'demo', *arguments, cwd=tmp_path,
        **{'PYTHONPATH': str(processes.ROOT), 'COLUMNS': '80', **environment})
    return done.returncode, done.stdout, done.stderr

  return run


@pytest.mark.parametrize('flag', ['--help', '-h'])
def test_help(demo, flag):
  assert demo('--times=2', flag) == (0, HELP, '')


def test_main_gets_flags_and_the_other_arguments(demo):
  status, stdout, stderr = demo('--thing=walk', '--times', '5', 'a', '--', '--help')
  assert (status, stdout) == (0, "walk 5 ['a', '--help']\n")
  assert 'a warning' in stderr and 'some information' not in stderr
  assert 'of a library' not in stderr


def test_verbosity(demo):
  stderr = demo('--thing=walk', '--verbosity=0')[2]
  assert 'some information' in stderr and 'of a library' in stderr


@pytest.mark.parametrize('arguments, message', [
    (['--thing=walk', '--tims=3'],
     "Unknown command line flag 'tims'. Did you mean: times ? (see python -m demo --help)"),
    (['--thing=walk', '--speed=nan'], '--speed=nan: it must be a number'),
    (['--thing=walk', '--speed=-inf'], '--speed=-inf: it must be a number'),
    ([], '--thing is required (see python -m demo --help)'),
    (['--thing=walk', '--times=x'],
     "flag --times=x: invalid literal for int() with base 10: 'x' (see python -m demo --help)"),
])
def test_mistakes_in_flags(demo, arguments, message):
  assert demo(*arguments) == (2, '', f'python -m demo: {message}\n')


@pytest.mark.parametrize('thing, status, message', [
    ('value', 1, 'thing: this is wrong'),
    ('lines', 1, 'this is wrong (--traceback shows all of it)'),
    ('again', 1, 'a/b: cannot be written'),
    ('keras', 1, 'it is wrong (layer a, A)'),
    ('file', 1, 'a/b: No such file or directory'),
    ('text', 1, 'no checkpoint in a/b'),
    ('disk', 1, 'a/b: No space left on device'),
    ('stream', 1, 'Broken pipe'),
    ('interrupt', 130, 'interrupted'),
])
def test_errors_of_the_user_are_one_line(demo, thing, status, message):
  assert demo(f'--thing={thing}') == (status, '', f'python -m demo: {message}\n')


@pytest.mark.parametrize('thing, error', [('odd', 'OddError'), ('traced', 'ValueError')])
def test_other_errors_keep_their_traceback(demo, thing, error):
  status, _, stderr = demo(f'--thing={thing}')
  assert status == 1 and stderr.startswith('Traceback') and f'{error}: ' in stderr


def test_traceback_on_request(demo):
  status, _, stderr = demo('--thing=value', TF_VIDEOGEN_TRACEBACK='1')
  assert status == 1 and stderr.startswith('Traceback')


def test_traceback_by_a_flag(demo):
  status, _, stderr = demo('--thing=disk', '--traceback')
  assert status == 1 and stderr.startswith('Traceback')


def test_exit_status_passes_through(demo):
  assert demo('--thing=exit') == (7, '', '')
