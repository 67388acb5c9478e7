"""The quickstart's script: what it says where it can't begin."""
import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'launch' / 'quickstart.sh'


def test_unknown_argument():
  done = subprocess.run([SCRIPT, '--digits=roman'], capture_output=True, text=True, check=False)
  assert done.returncode == 2 and not done.stdout
  assert done.stderr == ('quickstart: unknown argument --digits=roman; there are '
                         '--digits=optdigits, --digits=mnist and --manual_dir=FOLDER\n')
