"""The plan of the house (docs/design.md): floors without circles, 100 columns."""

import ast
import graphlib
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
# From the ground up; those of one floor may import each other, but for circles.
FLOORS = [
    {'files', 'file_sets', 'bars', 'layers', 'objectives', 'metrics', 'preparation', 'data'},
    {'model_directory', 'models'},
    {'tasks'},
    {'training', 'reporting', 'published'},
    {'building', 'experiment', 'previews', 'trained_model', 'sampling', 'evaluation', 'preflight',
     'benchmarks', 'claims'},
    {'launch'},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def _modules():
  """{dotted name: path} of the library and the programs."""
  paths = [path for path in (ROOT / 'tf_videogen').rglob('*.py')
           if not {'datasets', 'launch', 'gin'} & set(path.relative_to(ROOT).parts)]
  found = {path.relative_to(ROOT).with_suffix(''): path for path in paths}
  found.update({pathlib.Path('tf_videogen') / path.relative_to(ROOT).with_suffix(''): path
                for path in (ROOT / 'launch').glob('*.py')})
  return {'.'.join(name.parts).removesuffix('.__init__'): path for name, path in found.items()}


def _imports(path, modules):
  """Modules of ours that a file imports, wherever in it; packages stand for what they lack."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom) and node.module.startswith('tf_videogen'):
      for alias in node.names:
        whole = f'{node.module}.{alias.name}'
        found.add(whole if whole in modules else node.module)
  return found & set(modules) - {'tf_videogen'}


def _room(module):
  return module.split('.')[1] if '.' in module else module


def test_nothing_imports_upwards_or_in_a_circle():
  modules = _modules()
  imports = {name: _imports(path, modules) for name, path in modules.items()}
  assert len(imports) > 150
  upwards = [(name, other) for name, others in imports.items() for other in others
             if name != 'tf_videogen' and FLOOR_OF[_room(other)] > FLOOR_OF[_room(name)]]
  assert not upwards
  graphlib.TopologicalSorter(imports).prepare()  # raises a CycleError


def test_no_task_is_probed_for_what_it_has():
  """Whatever is asked of a task is a member of its class, with a default."""
  probes = [f'{path}:{number}' for path in _modules().values()
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if re.search(r'(has|get)attr\((\w+\.)*_?task\b', line)]
  assert not probes


def test_gin_is_imported_by_programs_alone():
  readers = [path for name, path in _modules().items() if not name.startswith('tf_videogen.launch')
             and re.search(r'^\s*(import|from) gin\b', path.read_text(), re.MULTILINE)]
  assert not readers


def test_no_line_is_wider_than_100_columns():
  paths = [path for folder in ('tf_videogen', 'datasets', 'docs', 'launch', 'tests')
           for path in (ROOT / folder).rglob('*.py')]
  wide = [f'{path.relative_to(ROOT)}:{number}' for path in paths
          for number, line in enumerate(path.read_text().splitlines(), 1)
          if len(line) > 100 and '://' not in line]  # an address is not broken
  assert len(paths) > 300 and not wide, wide


def test_files_and_functions_are_short():
  """At most 400 lines and 60 lines, with their docstrings."""
  paths = [path for folder in ('tf_videogen', 'datasets', 'launch')
           for path in (ROOT / folder).rglob('*.py') if not path.name.endswith('_test.py')]
  long = []
  for path in paths:
    text = path.read_text(encoding='utf-8')
    long += [path.name] if text.count('\n') > 400 else []
    long += [f'{path.name}: {node.name}' for node in ast.walk(ast.parse(text))
             if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60]
  assert len(paths) > 150 and not long
