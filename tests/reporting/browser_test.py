"""The page in a real browser: its filter, its pictures, and what one sees without scrolling."""

import re

import numpy as np
import PIL.Image
import pytest

from docs import browser as browser_lib
from tests.launch import in_process
from tests.reporting import full_runs
from tf_videogen.launch import report
from tf_videogen.model_directory import results

GREEN = (0, 255, 0)
# JavaScript: what of the page can be seen by a reader who scrolls.
SECTIONS = "[...document.querySelectorAll('section')].filter(e => e.offsetHeight).map(e => e.id)"
WORDS = 'document.body.innerText'
ALTS = '[...document.images].filter(e => e.offsetHeight).map(e => e.alt)'
# Text whose contrast with its background is too low, by WCAG 2.1 AA: [text, ratio].
CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = color => rgba(color).slice(0, 3).map(x => x / 255).map(
      x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4).reduce(
          (sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (rgba(color)[3] === 255) return color;
    }
    return 'white';
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest('script')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [element.closest('svg') ? style.fill : style.color, behind(element)].map(
        luminance).sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) low.push([text.slice(0, 40), ratio]);
  }
  return low;
})()"""
# Elements that reach beyond the right edge, unless something around them scrolls or cuts.
BEYOND = """[...document.body.querySelectorAll('*')].filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let a = e.parentElement; a; a = a.parentElement) {
    if (a !== document.body && getComputedStyle(a).overflowX !== 'visible') return false;
  }
  return e.checkVisibility();
}).map(e => e.outerHTML.slice(0, 80))"""
FRAMES = """[...document.querySelectorAll('.hero .clip')].map(
    e => e.style.getPropertyValue('--frame'))"""
WAIT = 'new Promise(done => setTimeout(done, 450))'
SCRUB = """(() => {{
  const slider = document.querySelector('.player input');
  slider.value = {};
  slider.dispatchEvent(new Event('input'));
}})()"""

pytestmark = pytest.mark.needs(*browser_lib.NAMES)


@pytest.fixture(scope='module', name='browser')
def _browser():
  with browser_lib.Browser() as browser:
    yield browser


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


@pytest.fixture(scope='module', name='full')
def _full(tmp_path_factory):
  """The page of a run that has all there can be."""
  folder = tmp_path_factory.mktemp('full')
  run = full_runs.make(folder / 'run')
  assert in_process.run(report.main, f'--model_dir={run}', f'--output={folder / "page.html"}') == 0
  return folder / 'page.html'


def _seen(browser, path, fragment=''):
  """(ids of sections, words, alternative texts of pictures) that can be seen."""
  browser.open(path, fragment=fragment)
  assert not browser.errors
  return browser.run(SECTIONS), browser.run(WORDS), browser.run(ALTS)


def test_everything_shows_without_a_filter(browser, path):
  sections, words, alts = _seen(browser, path)
  assert sections == ['summary', '1-first', '2-second']
  for word in ('random-network, not comparable', 'all protocols', 'other_protocol', 'Inception'):
    assert (word in words) == (word != 'Inception')
  assert 'Generated, sample 2 1, moving' in alts


def test_the_filter_hides_rows_runs_and_galleries(browser, path):
  sections, words, alts = _seen(browser, path, '#filter=ssim')
  assert sections == ['summary', '1-first']  # The second run knows nothing of it.
  words = words[words.index('Summary\n'):]  # The top of the page stays.
  assert words.count('0.500 ± 0.010') == 2 and 'best of 10' in words
  for word in ('150.0', 'FVD', 'PSNR', 'second', 'Videos of', 'Numbers of the evaluations'):
    assert word not in words, word
  assert len(alts) == 4  # On top: two real and two generated videos.


def test_the_filter_finds_runs_and_galleries(browser, path):
  assert not _seen(browser, path, '#filter=SECOND+run')[0]  # All words have to be there.
  sections, words, alts = _seen(browser, path, '#filter=second')
  assert sections == ['2-second'] and 'PSNR' in words and len(alts) > 4


def test_the_filter_by_protocol(browser, path):
  sections, words, alts = _seen(browser, path, '#filter=&protocol=videogpt_bair')
  assert sections == ['summary', '1-first'] and len(alts) == 4
  words = words[words.index('Summary\n'):]
  assert '150.0 ± 2.0' in words and '103.6 ± 2.0' in words
  assert '0.500' not in words and 'best of 10' not in words
  assert 'PSNR' in words  # Of training, under no protocol.


def test_without_scripts_everything_shows_and_moves(browser, path):
  text = re.sub(r'<script>.*</script>', '', path.read_text(encoding='utf-8'), flags=re.DOTALL)
  bare = path.with_name('bare.html')
  bare.write_text(text, encoding='utf-8')
  sections, words, alts = _seen(browser, bare, '#filter=ssim')
  assert sections == ['summary', '1-first', '2-second'] and alts
  assert 'all protocols' not in words and 'Pause' not in words
  moving = "document.getAnimations().filter(a => a.playState === 'running').length"
  assert browser.run(moving) == browser.run("document.querySelectorAll('.clip').length") > 4
  browser.open(bare, reduced_motion=True)
  assert browser.run(moving) == 0


@pytest.mark.parametrize('damaged', [False, True])
def test_every_picture_is_shown(browser, path, damaged):
  text = path.read_text(encoding='utf-8')
  if damaged:
    text = re.sub(r'(data:image/webp;base64,)[^"]{40}', r'\1', text, count=1)
  copy = path.with_name('damaged.html')
  copy.write_text(text, encoding='utf-8')
  browser.open(copy)
  assert browser.run('document.images.length') == text.count('<img')
  assert browser.run('[...document.images].filter(e => !e.naturalWidth).length') == int(damaged)


def test_the_page_refuses_other_scripts(path):
  copy = path.with_name('refused.html')
  copy.write_text(path.read_text(encoding='utf-8').replace(
      '</body>', '<script>document.title = "taken"</script></body>'), encoding='utf-8')
  with browser_lib.Browser() as browser:
    browser.open(copy)
    assert browser.run('document.title') != 'taken'
    assert any('Content Security Policy' in error for error in browser.errors)


def _screen(browser, selector, folder):
  """What the screen shows of the first element of a selector: float32 [height, width, 3]."""
  browser.picture(folder / 'screen.png')
  left, top, right, bottom = (round(x) for x in browser.run(
      f"(r => [r.left, r.top, r.right, r.bottom])(document.querySelector('{selector}')"
      '.getBoundingClientRect())'))
  with PIL.Image.open(folder / 'screen.png') as picture:
    return np.asarray(picture.convert('RGB'), np.float32)[top:bottom, left:right]


def test_what_is_above_the_fold(browser, full):
  """Number, interval, paper, scale, warnings, and real videos beside generated ones, moving."""
  browser.open(full, 1280, 800)
  bar = browser.run("document.querySelector('.player').getBoundingClientRect().top")
  for selector in ('.big', '.paper', '.scale', '.warnings', '.hero-strip figure:last-child'):
    bottom = browser.run(f"document.querySelector('.hero {selector}').getBoundingClientRect()"
                         '.bottom')
    assert 0 < bottom <= bar, selector
  words = browser.run("document.querySelector('.hero').innerText")
  for word in ('150', '90 % in 141 to 162', '103.6 ± 2.0', 'real against real 41.3', 'Generated',
               'last frame copied 331.5', '16 real videos for 400 features', 'Real', 'step 2,000'):
    assert word in words, word
  before = browser.run(FRAMES)
  browser.run(WAIT)
  assert len(before) == 10 and all(a != b for a, b in zip(before, browser.run(FRAMES)))


def test_the_scrubber_moves_all_videos(browser, full, tmp_path):
  browser.open(full)
  browser.run(SCRUB.format(5))
  browser.run(WAIT)
  assert browser.run(FRAMES) == ['5'] * 10
  assert 'frame 6 of 16' in browser.run(WORDS)
  assert browser.run("document.querySelector('.player button').innerText") == 'Play'
  real = full_runs.clips(8)[0, 5].repeat(2, 0).repeat(2, 1)
  np.testing.assert_allclose(_screen(browser, '.hero .clip', tmp_path)[4:-4, 4:-4],
                             real[4:-4, 4:-4], atol=3)
  browser.run("document.querySelector('.player button').click()")
  browser.run(WAIT)
  assert browser.run(FRAMES) != ['5'] * 10
  browser.run(SCRUB.format(0))
  given = browser.run("document.querySelectorAll('.hero .clip.given').length")
  assert given == 5  # The given frame of generated videos is outlined.


def test_the_difference_view(browser, full, tmp_path):
  browser.open(full)
  browser.run(SCRUB.format(7))
  browser.run("document.querySelector('.player input[type=checkbox]').click()")
  browser.run(WAIT)
  real, made = (full_runs.clips(8, blur=blur)[0, 7].astype(np.float32) for blur in (0, 3))
  wanted = np.clip(3 * np.abs(real - made), 0, 255).repeat(2, 0).repeat(2, 1)
  seen = _screen(browser, '.hero figure:last-child .clip', tmp_path)
  np.testing.assert_allclose(seen[4:-4, 4:-4], wanted[4:-4, 4:-4], atol=8)
  assert np.ptp(wanted) > 100


def test_reduced_motion(browser, full):
  browser.open(full, reduced_motion=True)
  before = browser.run(FRAMES)
  browser.run(WAIT)
  assert browser.run(FRAMES) == before == ['0'] * 10
  assert browser.run("document.querySelector('.player button').innerText") == 'Play'


@pytest.mark.parametrize('width', [390, 768, 1200, 1280])
def test_nothing_overflows(browser, full, path, width):
  for page in (full, path):
    browser.open(page, width, 844)
    assert browser.run('document.documentElement.scrollWidth') <= width
    assert browser.run(BEYOND) == []


@pytest.mark.parametrize('scheme', browser_lib.SCHEMES)
def test_contrast(browser, full, path, scheme):
  for page in (full, path):
    browser.open(page, scheme=scheme)
    assert browser.run(CONTRAST) == []


@pytest.mark.slow
def test_a_large_page_opens_soon(browser, tmp_path):
  """10 runs of 100 videos each, of 16 frames of 64 x 64 pixels."""
  runs = [full_runs.make(tmp_path / f'run{i}', fvd=100. + i, videos=100, seed=i)
          for i in range(10)]
  page = tmp_path / 'page.html'
  assert in_process.run(report.main, *(f'--model_dir={run}' for run in runs),
                        f'--output={page}') == 0
  assert page.stat().st_size <= 30_000_000
  assert min(browser.open(page) for _ in range(3)) <= 3
  assert not browser.errors
