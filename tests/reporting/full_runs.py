"""Model directories with all that a report can show, made up, for tests and pictures of pages.

  python -m tests.reporting.full_runs FOLDER    # writes FOLDER/16_layers and FOLDER/8_layers
"""

import pathlib
import sys

import numpy as np
from sklearn import datasets

from tf_videogen.model_directory import results

COMMAND = ("python -m launch.evaluate --gin_file=evaluation/videogpt_bair.gin "
           "'--gin_param=protocols.Protocol.videos = 16' --model_dir=runs/a")
FEW = ('fvd: 16 generated and 16 real videos for 400 features: the covariance is singular, the '
       'distance too large')


def clips(count, frames=16, size=64, seed=0, blur=0):
  """Colored digits that move over a ramp: uint8 [count, frames, size, size, 3].

  They lose contrast and edges with `blur` and with time, as samples do.
  """
  rng = np.random.default_rng(seed)
  digits = datasets.load_digits().images / 16  # [N, 8, 8]
  ramp = np.linspace(20, 80, size, dtype=np.float32)
  found = np.broadcast_to(ramp[:, None, None], (count, frames, size, size, 3)).copy()
  side = size // 16 * 8
  for clip in found:
    digit = digits[rng.integers(len(digits))].repeat(side // 8, 0).repeat(side // 8, 1)
    color, place = rng.uniform(110, 255, 3), rng.uniform(0, size - side, 2)
    speed = rng.uniform(-2.5, 2.5, 2)
    for t, frame in enumerate(clip):
      top, left = _bounced(place + t * speed, size - side).astype(int)
      patch = frame[top:top + side, left:left + side]
      patch += digit[..., None] * (color - patch)
  for t in range(frames):
    for _ in range(blur * (1 + t) // 4):
      for axis in (1, 2):
        frame = found[:, t]
        found[:, t] = (np.roll(frame, 1, axis) + frame + np.roll(frame, -1, axis)) / 3
  return found.astype(np.uint8)


def _bounced(place, most):
  """Places in [0, most] of what moves back from the walls."""
  return most - np.abs(place % (2 * most) - most)


def make(model_dir, fvd=150., videos=8, protocol='videogpt_bair', config='videogpt/bair_prior.gin',
         size=64, seed=0, steps=(1000, 2000), blur=3):
  """Writes a model directory: a protocol at several steps, its videos, samples, a training log."""
  model_dir.mkdir(parents=True)
  (model_dir / 'config.gin').write_text(
      f'# config: {config}\nexperiment.Experiment.task = @tasks.VideoGPTTask\n'
      f"clips.PreparedClips.dataset = 'bair_clips'\n")
  same = {'examples': 16, 'protocol': protocol, 'network': 'i3d_kinetics400@1a2b3c4d',
          'note': '20 trials', 'commit': 'c0ffee', 'command': COMMAND, 'warnings': FEW}
  rows = []
  for i, step in enumerate(steps):
    value = fvd * (1 + len(steps) - 1 - i)
    rows += [
        results.Result(step, 'test', 'fvd', value, std=2.5, low=value - 9, high=value + 12,
                       floor=41.3, **same),
        results.Result(step, 'test', 'ssim', 0.8 - value / 1000, **same)]
  rows.append(results.Result(0, 'test', 'fvd', 331.5, **{
      **same, 'protocol': f'{protocol}_copy_last_frame'}))
  results.append_rows(str(model_dir), rows)
  log = results.TrainingLog(str(model_dir))
  for step in range(100, steps[-1] + 1, 100):
    log.append(step, {'loss': 3 / step**0.3, 'steps_per_second': 4.})
  real, made = clips(videos, size=size, seed=seed), clips(videos, size=size, seed=seed, blur=blur)
  folder = model_dir / results.EVALUATIONS / protocol
  folder.mkdir(parents=True)
  np.savez(folder / results.VIDEOS_FILE, data=real, samples=made, conditioning_frames=1,
           worst_data=real[:2], worst_samples=made[:2], worst_ssim=[0.41, 0.52],
           best_data=real[2:4], best_samples=made[2:4], best_ssim=[0.97, 0.96])
  (model_dir / 'samples').mkdir()
  np.savez(model_dir / 'samples' / 'samples.npz', samples=clips(videos, size=size, seed=seed + 1))
  return model_dir


def main(folder):
  """Two runs, for pictures."""
  make(pathlib.Path(folder) / '16_layers', fvd=103.1, blur=2)
  make(pathlib.Path(folder) / '8_layers', fvd=121.7, blur=6,
       config='videogpt/bair_prior_layers8.gin')


if __name__ == '__main__':
  main(*sys.argv[1:])
