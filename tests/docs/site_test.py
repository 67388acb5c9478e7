"""Where links of pages lead in the site; `launch/site.sh` builds it, with warnings as errors."""

import pytest

from docs import site


@pytest.mark.parametrize('path', site.written())
def test_links_lead_to_files(path):
  text = (site.ROOT / path).read_text(encoding='utf-8')
  _, linked = site.rewritten(text, path, site.page_of(path))
  assert all((site.ROOT / there).exists() for there in linked)


def test_pages_of_files():
  assert site.page_of('README.md') == 'index.md'
  assert site.page_of('docs/tpu.md') == 'tpu.md'
  assert site.page_of('docs/cascades/levels.gif') == 'cascades/levels.gif'
  assert site.page_of('datasets/bair_clips/README.md') == 'datasets/bair_clips.md'
  assert site.page_of('tf_videogen/models/vqvae.py') == 'api/models/vqvae.md'
  assert site.page_of('gin/videogpt/smoke.gin') == 'source/gin/videogpt/smoke.gin.md'


def test_links_are_rewritten():
  text = ('[a](../tf_videogen/tasks/task.py) `[b](no)` <img src="drawings/cvg.svg"> [c](#here)\n'
          '```\n[d](no)\n```\n[e](https://arxiv.org) [f](../README.md#tests)')
  found, linked = site.rewritten(text, 'docs/cascades.md', 'cascades.md')
  assert found == text.replace('../tf_videogen/tasks/task.py', 'api/tasks/task.md').replace(
      '../README.md', 'index.md')
  assert linked == ['tf_videogen/tasks/task.py', 'docs/drawings/cvg.svg', 'README.md']


def test_dead_links():
  with pytest.raises(ValueError, match=r'docs/tpu.md links to gpus.md, which is not there'):
    site.rewritten('[x](gpus.md)', 'docs/tpu.md', 'tpu.md')
