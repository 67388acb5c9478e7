"""The quickstart's script: what it says where it can't begin."""

from tests import processes

SCRIPT = processes.ROOT / 'launch' / 'quickstart.sh'


def test_unknown_argument():
  done = processes.run(SCRIPT, '--digits=roman')
  assert done.returncode == 2 and not done.stdout
  assert done.stderr == ('quickstart: unknown argument --digits=roman; there are '
                         '--digits=optdigits, --digits=mnist and --manual_dir=FOLDER\n')
