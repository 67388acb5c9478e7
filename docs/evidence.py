"""Lists the stale rows of the tables of compiled programs, and compiles programs again.

    python -m docs.evidence [NAME ...]             # lists what is stale or missing
    python -m docs.evidence --compile [NAME ...]   # compiles it, and makes the pages

NAME is the start of a program's name: `videogpt/bair_prior.gin train`, `videogpt/`, `level1 12`. By
default, all programs are meant. It takes half a minute or more to list a program, and 4 to 20
minutes to compile it. After a stop, the second command resumes where it was. `--force` also
compiles programs that are not stale. Both commands mark stale rows and make the pages.
"""

import time

from absl import flags

from docs import pages
from docs.cascades import programs as cascade_programs
from docs.preflight import paper_scale
from tf_videogen.launch import program

TABLES = (paper_scale.TABLE, cascade_programs.TABLE)

flags.DEFINE_bool('compile', False, 'Compile what is stale or missing.')
flags.DEFINE_bool('force', False, 'Compile the named programs whatever their rows say.')


def chosen(names):
  """The programs whose names start with one of `names`, or all if there are none.

  Args:
    names: starts of programs' names.

  Returns:
    List of (evidence.Table, evidence.Wanted).

  Raises:
    ValueError: if no program's name starts with one of them.
  """
  programs = [(table, wanted) for table in TABLES for wanted in table.wanted]
  unknown = [name for name in names if not any(w.name.startswith(name) for _, w in programs)]
  if unknown:
    raise ValueError(f'no program is called {", ".join(unknown)}; names are such as '
                     f'{programs[0][1].name!r} and {programs[-1][1].name!r}')
  return [(table, wanted) for table, wanted in programs
          if not names or wanted.name.startswith(tuple(names))]


def bring_up_to_date(table, wanted, compiles, forced=False):
  """Checks the row of a program, and compiles the program if that is asked for.

  Args:
    table: the program's evidence.Table.
    wanted: the program, an evidence.Wanted.
    compiles: whether to compile a program whose row is stale or missing.
    forced: whether to compile also a program whose row is true, if `compiles`.

  Returns:
    A phrase that says what was found and done; '' if the row is true and nothing was done.
  """
  config, exported = wanted.export()
  found = table.check(wanted, exported)
  if not compiles or not (found or forced):
    return found
  row = table.compile(wanted, config, exported)
  return f'{found or "true"}; compiled: fits: {row["fits"]} {row["error"]}'.strip()


@program.takes_arguments
def main(argv):
  """Prints one line per program, and makes the pages."""
  programs, stale = chosen(argv[1:]), 0
  for number, (table, wanted) in enumerate(programs, 1):
    start = time.time()
    found = bring_up_to_date(table, wanted, flags.FLAGS.compile, flags.FLAGS.force)
    stale += bool(found)
    print(f'{number} of {len(programs)}: {wanted.name}: {found or "true"} '
          f'({time.time() - start:.0f} s)', flush=True)
  print(f'{stale} of {len(programs)} programs were stale or missing')
  for path in pages.write():
    print(f'wrote {path}')


if __name__ == '__main__':
  program.run(main)
