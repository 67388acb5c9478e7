"""Runs a program of launch/ in the process of the test."""

from absl.testing import flagsaver
import pytest

from tf_videogen.launch import program


def run(main, *arguments, name='program'):
  """Calls a program's main with these arguments, as a shell would; returns its exit status."""
  with flagsaver.flagsaver(), pytest.raises(SystemExit) as info:
    program.run(main, [name, *map(str, arguments)])
  return info.value.code or 0
