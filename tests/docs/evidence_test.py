"""Rows of compiled programs: what makes them stale, and what the command does about it."""

import re

import pytest

from docs import evidence as command
from docs.preflight import evidence
from docs.preflight import paper_scale
from tests.launch import in_process
from tf_videogen.preflight import fingerprint
from tf_videogen.preflight import hardware
from tf_videogen.preflight import programs

CONFIG, OTHER = 'videogpt/bair_vqvae.gin', 'videogpt/ucf101_vqvae.gin'
V3 = hardware.topology('v3:2x2')
FIRST = fingerprint.Fingerprint('00' * 8, 2.0e12, 3.0e9)


class _Experiment:
  train_steps = 7200


def _wanted(name, exported):
  """A program whose export is made up."""
  class Wanted(evidence.Wanted):
    def export(self):
      return _Experiment(), exported
  return Wanted((name, 'train'), name, (), 'train', V3)


@pytest.fixture(name='table')
def _table(tmp_path, monkeypatch):
  """A table of one row, of CONFIG; OTHER's is missing. The compiler is made up."""
  exported = programs.Program('train', 4, 5, b'')
  wanted = [_wanted(name, exported) for name in (CONFIG, OTHER)]
  table = evidence.Table(tmp_path / 'table.csv', ('config', 'program'), wanted)
  now = [FIRST]
  monkeypatch.setattr(fingerprint, 'of_hlo', lambda hlo: now[0])
  monkeypatch.setattr(evidence, 'compiled', lambda wanted, exported, say=print: _row(now[0]))
  monkeypatch.setattr(command, 'TABLES', (table,))
  monkeypatch.setattr(command.pages, 'write', lambda: [])
  table.now = now
  table.compile(wanted[0], _Experiment(), exported)
  return table


def _row(found):
  return {**next(iter(paper_scale.TABLE.read().values())), 'topology': V3.name, 'bound_s': '0.5',
          'digest': programs.Program('train', 4, 5, b'').digest, 'stale': '',
          **evidence.fingerprint_fields(found)}


def _run(capsys, *arguments):
  assert in_process.run(command.main, *arguments) == 0
  return re.sub(r' \(\d+ s\)', '', capsys.readouterr().out).splitlines()


def test_stale_rows_are_named_and_marked(table, capsys):
  assert _run(capsys) == [f'1 of 2: {CONFIG} train: true', f'2 of 2: {OTHER} train: missing',
                          '1 of 2 programs were stale or missing']
  table.now[0] = FIRST._replace(operations='11' * 8, flops=2.1e12, bytes=2.97e9)
  said = '+5.0% FLOPs, -1.0% bytes'
  assert _run(capsys, CONFIG)[0] == f'1 of 1: {CONFIG} train: {said}'
  row = table.read()[CONFIG, 'train']
  assert row['stale'] == said
  assert f'| {CONFIG.removesuffix(".gin")} (stale) |' in paper_scale.page([row])
  table.now[0] = FIRST
  assert _run(capsys, CONFIG)[0] == f'1 of 1: {CONFIG} train: true'
  assert not table.read()[CONFIG, 'train']['stale']


def test_what_is_stale_or_missing_is_compiled_where_it_is_asked_for(table, capsys):
  table.now[0] = FIRST._replace(flops=1e12)
  assert _run(capsys, '--compile')[:2] == [
      f'1 of 2: {CONFIG} train: -50.0% FLOPs, +0.0% bytes; compiled: fits: yes',
      f'2 of 2: {OTHER} train: missing; compiled: fits: yes']
  assert list(table.read()) == [(CONFIG, 'train'), (OTHER, 'train')]
  assert [evidence.of_row(row) for row in table.read().values()] == [table.now[0]] * 2
  assert _run(capsys, '--compile')[2] == '0 of 2 programs were stale or missing'
  assert _run(capsys, OTHER, '--compile', '--force')[0].endswith('true; compiled: fits: yes')


def test_a_program_of_two_configs_is_compiled_once(table, monkeypatch):
  """Another config of the same digest and topology has the same row, but for its steps."""
  def refuse(*arguments):
    raise AssertionError('compiled again')
  monkeypatch.setattr(evidence, 'compiled', refuse)
  _, wanted = table.wanted
  steps = _Experiment()
  steps.train_steps = 3600
  row = table.compile(wanted, steps, wanted.export()[1])
  first = table.read()[CONFIG, 'train']
  assert first['core_hours'] == '8.0'  # 7,200 steps of half a second on 8 cores
  assert row == {**first, 'config': OTHER, 'train_steps': '3600', 'core_hours': '4.0'}
  assert evidence.with_hours(row, 7200) == {**first, 'config': OTHER}
  assert evidence.with_hours({**row, 'program': 'sample'}, 7200)['train_steps'] == '3600'


@pytest.mark.parametrize('changed', ['digest', 'topology', 'program'])
def test_another_program_is_compiled_for_itself(table, changed, monkeypatch):
  rows = table.read()
  rows[CONFIG, 'train'][changed] = 'v3:8x8' if changed == 'topology' else 'another'
  table.write(rows)
  compiled = []
  monkeypatch.setattr(evidence, 'compiled', lambda wanted, *arguments: (
      compiled.append(wanted.config) or _row(FIRST)))
  _, wanted = table.wanted
  table.compile(wanted, _Experiment(), wanted.export()[1])
  assert compiled == [OTHER]


def test_unknown_names_are_refused(capsys):
  assert in_process.run(command.main, 'nothing') == 1
  assert capsys.readouterr().err.startswith('program: no program is called nothing; ')
  with pytest.raises(ValueError, match=r"^no program is called nothing; names are such as 'cvg/"):
    command.chosen(['nothing', 'videogpt/'])
  assert {wanted.config.split('/')[0] for _, wanted in command.chosen(['videogpt/'])} == {
      'videogpt'}
  assert [wanted.name for _, wanted in command.chosen(['level2 '])] == ['level2 12', 'level2 144']


@pytest.mark.parametrize('error, expected', [
    ('out of memory: required 20.5G, available 15.48G', 20.5 * 2**30),
    ('out of memory: required 512M, available 1G (operation a/b)', 2**29),
    ('something else', 0), ('', 0)])
def test_memory_that_is_refused(error, expected):
  assert evidence.required_bytes(error) == expected
