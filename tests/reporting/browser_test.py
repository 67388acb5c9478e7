"""The page in a real browser: its filter, its pictures, and that there is something to see."""

import base64
import hashlib
import html.parser
import re
import shutil

import numpy as np
import PIL.Image
import pytest

from tests import processes
from tests.launch import in_process
from tests.reporting import page_test
from tf_videogen.launch import report
from tf_videogen.model_directory import results

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
BROWSER = next(filter(None, map(shutil.which, NAMES)), NAMES[0])
GREEN = (0, 255, 0)
# Writes into the page's root element how many pictures it has, and how many of them are broken,
# once all are loaded. (What `decode` promises may come after the browser has printed the page.)
PROBE = '''
addEventListener('load', () => {
  const pictures = [...document.images];
  document.documentElement.dataset.pictures = pictures.length;
  document.documentElement.dataset.broken = pictures.filter(one => !one.naturalWidth).length;
});
'''

pytestmark = pytest.mark.needs(*NAMES)


@pytest.fixture(scope='module', name='path')
def _path(tmp_path_factory):
  """The page of two runs: 'first' has protocols, curves and videos, 'second' plain numbers."""
  folder = tmp_path_factory.mktemp('page')
  first, second = folder / 'first', folder / 'second'
  for model_dir in (first, second):
    results.append_results(str(model_dir), 10, {'test': ({'psnr': 21.5, 'nmse': 0.25}, 64)})
  (first / 'config.gin').write_text('# config: videogpt/bair_prior.gin\n')
  results.append_rows(str(first), [
      results.Result(10, 'test', 'ssim', 0.5, std=0.01, examples=256, protocol='other_protocol'),
      results.Result(10, 'test', 'fvd', 150., std=2., examples=256, protocol='videogpt_bair',
                     network='random-network, not comparable')])
  results.write_curves(str(first / 'evaluations' / 'other_protocol' / 'curves.csv'), [
      results.CurvePoint(10, 'ssim', name, i, 'frame', 1 / i, 0.1)
      for name in ('best of 1', 'best of 10') for i in range(1, 6)])
  videos = np.full([2, 3, 16, 16, 3], GREEN, np.uint8)
  np.savez(first / 'evaluations' / 'other_protocol' / 'videos.npz', data=videos, samples=videos,
           samples_2=videos, conditioning_frames=1)
  (second / 'samples').mkdir()
  np.savez(second / 'samples' / 'clips.npz', samples=videos)
  assert in_process.run(report.main, f'--model_dir={first}', f'--model_dir={second}',
                        f'--output={folder / "page.html"}') == 0
  return folder / 'page.html'


def _browse(path, *arguments, fragment=''):
  """What the browser prints, having opened a page without a network."""
  done = processes.run(
      BROWSER, '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
       '--disable-background-networking', '--no-first-run', '--hide-scrollbars',
       '--host-resolver-rules=MAP * ~NOTFOUND', f'--user-data-dir={path.parent / "profile"}',
       '--enable-logging=stderr', '--virtual-time-budget=3000', *arguments,
       path.as_uri() + fragment, seconds=120)
  assert not done.returncode, done.stderr
  # Errors of the script, and what the content security policy refused.
  said = '\n'.join(line for line in done.stderr.splitlines() if ':CONSOLE' in line)
  assert not said, said
  return done.stdout


class _Seen(html.parser.HTMLParser):
  """What a DOM shows a reader: words, ids of sections, alternative texts of pictures."""

  def __init__(self, dom):
    super().__init__()
    self._hidden = []  # Whether the open elements, or one around them, are hidden.
    self.words, self.sections, self.pictures = '', [], []
    self.feed(dom)

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    hidden = 'hidden' in attrs or tag in ('script', 'style') or any(self._hidden[-1:])
    if tag not in page_test.VOID:
      self._hidden.append(hidden)
    if not hidden and tag == 'section':
      self.sections.append(attrs['id'])
    if not hidden and tag == 'img':
      self.pictures.append(attrs['alt'])

  def handle_endtag(self, tag):
    self._hidden.pop()

  def handle_data(self, data):
    self.words += '' if any(self._hidden[-1:]) else data


def _seen(path, fragment=''):
  return _Seen(_browse(path, '--dump-dom', fragment=fragment))


def test_everything_shows_without_a_filter(path):
  seen = _seen(path)
  assert seen.sections == ['summary', '1-first', '2-second']
  for words in ('random-network, not comparable', 'all protocols', 'other_protocol', 'Inception'):
    assert (words in seen.words) == (words != 'Inception')
  assert any('samples_2 1, moving' in alt for alt in seen.pictures)


def test_the_filter_hides_rows_runs_and_galleries(path):
  seen = _seen(path, '#filter=ssim')
  assert seen.sections == ['summary', '1-first']  # The second run knows nothing of it.
  assert seen.words.count('0.500 ± 0.010') == 2 and 'best of 10' in seen.words
  for words in ('150.0', 'FVD', 'PSNR', 'second', 'Videos of', 'Numbers of the evaluations'):
    assert words not in seen.words, words
  assert not seen.pictures


def test_the_filter_finds_runs_and_galleries(path):
  seen = _seen(path, '#filter=SECOND+run')
  assert seen.sections == [] and not seen.pictures  # All words have to be there.
  seen = _seen(path, '#filter=second')
  assert seen.sections == ['2-second']
  assert 'PSNR' in seen.words and 'clips' in seen.words.lower() and seen.pictures


def test_the_filter_by_protocol(path):
  seen = _seen(path, '#filter=&protocol=videogpt_bair')
  assert seen.sections == ['summary', '1-first']
  assert '150.0 ± 2.0' in seen.words and '103.6 ± 2.0' in seen.words
  assert '0.500' not in seen.words and 'best of 10' not in seen.words and not seen.pictures
  assert 'PSNR' in seen.words  # Of training, under no protocol.


def test_without_scripts_everything_shows(path):
  text = re.sub(r'<script>.*</script>', '', path.read_text(encoding='utf-8'), flags=re.DOTALL)
  bare = path.with_name('bare.html')
  bare.write_text(text, encoding='utf-8')
  seen = _seen(bare, '#filter=ssim')
  assert seen.sections == ['summary', '1-first', '2-second'] and seen.pictures
  assert 'all protocols' not in seen.words


@pytest.mark.parametrize('damaged', [False, True])
def test_every_picture_is_shown(path, damaged):
  """By a copy of the page that allows a second script, and in which one picture may be damaged."""
  probe = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
  text = path.read_text(encoding='utf-8')
  if damaged:
    text = re.sub(r'(data:image/gif;base64,)[^"]{40}', r'\1', text, count=1)
  copy = path.with_name('probed.html')
  copy.write_text(text.replace('script-src ', f"script-src 'sha256-{probe}' ").replace(
      '</body>', f'<script>{PROBE}</script></body>'), encoding='utf-8')
  root = re.search(r'<html[^>]*>', _browse(copy, '--dump-dom')).group()
  found = dict(re.findall(r'data-(\w+)="(\d+)"', root))
  assert found == {'pictures': str(text.count('<img')), 'broken': str(int(damaged))}


def test_the_page_refuses_other_scripts(path):
  copy = path.with_name('refused.html')
  copy.write_text(path.read_text(encoding='utf-8').replace(
      '</body>', '<script>document.title = "taken"</script></body>'), encoding='utf-8')
  with pytest.raises(AssertionError, match='Content Security Policy'):
    _browse(copy, '--dump-dom')


@pytest.mark.parametrize('width', [500, 1280])
def test_there_is_something_to_see(path, width):
  picture = path.with_name(f'{width}.png')
  _browse(path, f'--window-size={width},3600', f'--screenshot={picture}')
  pixels = np.asarray(PIL.Image.open(picture).convert('RGB'))
  assert pixels.shape[1] == width
  colors = pixels.astype(np.int32) @ [1 << 16, 1 << 8, 1]
  assert len(np.unique(colors)) > 50  # Not blank: text, curves, badges.
  assert np.sum(np.all(pixels == GREEN, axis=-1)) > 30_000  # At least two of the moving pictures.
