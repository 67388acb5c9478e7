"""Makes the pages that are made of tables, and the drawings.

    python -m docs.pages

A page stands beside the module that makes it. Tests want every page to be what this command makes.
"""

from docs import fvd
from docs import papers
from docs.cascades import costs as cascade_costs
from docs.cascades import programs as cascade_programs
from docs.claims import verdicts
from docs.drawings import papers as drawings
from docs.preflight import paper_scale
from docs.trivd_gan import costs as trivd_gan_costs
from tf_videogen import files


def pages():
  """What every page is to hold: {path: text, or bytes of a drawing}."""
  scale, frames = paper_scale.TABLE.read(), cascade_programs.read()
  made = {papers.PAGE: papers.page(),
          paper_scale.PAGE: paper_scale.page(scale.values()),
          cascade_costs.PAGE: cascade_costs.page(frames, scale),
          trivd_gan_costs.PAGE: trivd_gan_costs.page(trivd_gan_costs.found()),
          fvd.PAGE: fvd.page(),
          verdicts.PAGE: verdicts.page(verdicts.read()),
          **drawings.files()}
  if cascade_costs.drawable(frames):
    made[cascade_costs.DRAWING] = cascade_costs.drawing(frames)
  return made


def write():
  """Writes the pages that differ; returns their paths."""
  written = []
  for path, content in pages().items():
    before = path.read_bytes() if path.exists() else None
    if before != (content if isinstance(content, bytes) else content.encode()):
      files.write(str(path), content)
      written.append(path)
  return written


if __name__ == '__main__':
  for written_path in write():
    print(f'wrote {written_path}')
