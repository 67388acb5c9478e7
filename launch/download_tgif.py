"""Fetches the GIFs of TGIF that are still there, for `launch.prepare --dataset=tgif_clips/64`.

    python -m launch.download_tgif --manual_dir=/data/tgif
    python -m launch.prepare --dataset=tgif_clips/64 --manual_dir=/data/tgif

A stopped run can be resumed: GIFs that are already there are kept. Addresses without a GIF are
listed in dead_links.csv with the reason. They are asked again only with --retry_dead.
"""

from absl import flags

from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  from tf_videogen.datasets.tgif_clips import downloading

flags.DEFINE_list('splits', ['train', 'validation', 'test'], 'Which splits to fetch.')
flags.DEFINE_integer('connections', 8, 'Number of GIFs to fetch at once.', lower_bound=1)
flags.DEFINE_float('requests_per_second', 20, 'Maximum number of requests per second.',
                   lower_bound=0.1)
flags.DEFINE_bool('retry_dead', False, 'Try the addresses in dead_links.csv again.')
shared_flags.declare('manual_dir')


def main(argv):
  """Fetches the GIFs of the splits that the flags name."""
  del argv
  values = flags.FLAGS
  if not values.manual_dir:
    raise ValueError('--manual_dir is missing: give the folder for the GIFs')
  fetched, there, dead, failed = downloading.download(
      values.manual_dir, values.splits, values.connections, values.requests_per_second,
      values.retry_dead)
  print(f'{fetched:,} GIFs fetched, {there:,} were there already, {dead:,} are gone '
        f'({downloading.DEAD_LINKS} in {values.manual_dir})')
  if failed:
    print(f'{failed:,} could not be reached; the same command tries them again')
    return 1
  return 0


if __name__ == '__main__':
  program.run(main)
