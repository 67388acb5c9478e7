"""What tests under TPUStrategy share."""

import pytest


@pytest.fixture(scope='module')
def families(tiny, cpu, tmp_path_factory):
  """Experiments by name, see `families.Families`."""
  from tests.tpu import families as families_lib  # pylint: disable=g-import-not-at-top
  return families_lib.Families(tiny, tmp_path_factory.mktemp('stages'), cpu)
