"""The command `tf-videogen`: lists the programs of `launch/` and runs one of them."""

import importlib
import sys

import tf_videogen
from tf_videogen.launch import program

# Commands and their descriptions. The module of a command has the same name, except for those in
# MODULES. It is imported when the command is called.
COMMANDS = {
    'configs': 'list configs, or show one',
    'download_tgif': 'fetch the GIFs of TGIF',
    'prepare': 'prepare a data set',
    'preflight': 'tell what a config costs on a TPU, without one',
    'train': 'train a model, from a gin file',
    'train_cascade': 'train the levels of a cascade, one after the other',
    'restarts': 'train, and start again after a preemption',
    'import_videogpt': "make a model directory of the VideoGPT authors' weights",
    'get_networks': 'get the networks that FVD, IS and FID need',
    'evaluate': 'measure a trained model',
    'compare': 'measure two folders of videos, or a baseline',
    'sample': 'generate videos with a trained model',
    'export': 'write a SavedModel that samples without this package',
    'inspect_connectivity': 'show the blind spots of a Video Transformer',
    'inspect_motion': 'compare predictions and their motion with the truth',
    'report': 'make a page of results and videos',
    'claims': 'put claims of the papers to the test in miniature',
    'benchmark': 'time training and sampling',
}
MODULES = {'configs': 'list_configs'}  # launch.configs reads configs


def help_text():
  """Returns the list of commands."""
  lines = [
      f'tf-videogen {tf_videogen.__version__}: video generation papers in TensorFlow',
      '',
      'Usage: tf-videogen COMMAND [--flag=value ...]',
      '       tf-videogen COMMAND --help',
      '',
      'Commands:',
  ]
  lines += [f'  {name:<20} {description}' for name, description in COMMANDS.items()]
  return '\n'.join(lines)


def main(argv=None):
  """Runs the command that `argv[1]` names, or lists the commands.

  Args:
    argv: the command line, starting with the program's name; the process's if None.

  Returns:
    The exit status: 0 after the list of commands, 2 if the command is unknown. A command itself
    ends with SystemExit (see `program.run`).
  """
  arguments = (sys.argv if argv is None else argv)[1:]
  if not arguments or arguments[0] in ('-h', '-help', '--help', 'help'):
    print(help_text())
    return 0
  if arguments[0] == '--version':
    print(f'tf-videogen {tf_videogen.__version__}')
    return 0
  if arguments[0] not in COMMANDS:
    print(f'tf-videogen: no command {arguments[0]!r}; there are: {", ".join(COMMANDS)}',
          file=sys.stderr)
    return 2
  name = MODULES.get(arguments[0], arguments[0])
  module = importlib.import_module(f'tf_videogen.launch.{name}')
  return program.run(module.main, [f'tf-videogen {arguments[0]}'] + arguments[1:])


if __name__ == '__main__':
  sys.exit(main())
