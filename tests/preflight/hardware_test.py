"""TPUs by name."""

import pytest

from tf_videogen.preflight import hardware


@pytest.mark.parametrize('name, cores, gib', [
    ('v2:2x2', 8, 8), ('v3:2x2', 8, 16), ('v3:8x8', 128, 16), ('v4:2x2x1', 4, 32),
    ('v5e:2x4', 8, 16), ('v5p:2x2x1', 4, 95), ('v6e:2x2', 4, 32)])
def test_cores_and_memory(name, cores, gib):
  topology = hardware.topology(name)
  assert topology.cores == cores and topology.generation.hbm_bytes == gib << 30
  assert topology.compile_for.split(':')[0] == name.split(':')[0]


@pytest.mark.parametrize('kind, name', [
    ('v2-8', 'v2:2x2'), ('v3-8', 'v3:2x2'), ('v3-32', 'v3:4x4'), ('v4-8', 'v4:2x2x1'),
    ('v4-16', 'v4:2x2x2'), ('v5litepod-16', 'v5e:4x4'), ('v5e-8', 'v5e:2x4'),
    ('v5p-8', 'v5p:2x2x1'), ('v6e-4', 'v6e:2x2')])
def test_types_of_slices(kind, name):
  assert hardware.topology(kind) == hardware.topology(name)


def test_a_v3_core_is_half_a_chip():
  core = hardware.topology('v3:2x2').generation
  assert core.flops * 8 == 4 * 123e12 and core.bandwidth * 8 == 4 * 900e9


@pytest.mark.parametrize('name, known', [('v9:2x2', 'v3:2x2'), ('v3:3x3', 'v3:4x4'), ('v3', '2x2'),
                                         ('v3-7', 'v3:4x4'), ('v3-', 'v3:2x2'), ('x-8', '2x2')])
def test_unknown_names_list_the_known_ones(name, known):
  with pytest.raises(ValueError, match=f'unknown topology {name!r}; there are.*{known}'):
    hardware.topology(name)
