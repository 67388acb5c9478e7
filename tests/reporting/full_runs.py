"""Model directories with all that a report can show, made up, for tests of whole pages."""

import numpy as np

from tf_videogen.model_directory import results

COMMAND = ("python -m launch.evaluate --gin_file=evaluation/videogpt_bair.gin "
           "'--gin_param=protocols.Protocol.videos = 16' --model_dir=runs/a")
FEW = ('fvd: 16 generated and 16 real videos for 400 features: the covariance is singular, the '
       'distance too large')


def clips(count, frames=16, size=64, seed=0, blur=0):
  """Colored squares on a ramp that move: uint8 [count, frames, size, size, 3]."""
  rng = np.random.default_rng(seed)
  ramp = np.linspace(30, 90, size, dtype=np.float32)
  found = np.broadcast_to(ramp[:, None, None], (count, frames, size, size, 3)).copy()
  side = size // 4
  for clip in found:
    color, place = rng.uniform(90, 255, 3), rng.uniform(0, size - side, 2)
    speed = rng.uniform(-2, 2, 2)
    for t, frame in enumerate(clip):
      top, left = np.clip(place + t * speed, 0, size - side).astype(int)
      frame[top:top + side, left:left + side] = color
  for axis in (2, 3):
    for _ in range(blur):
      found = (np.roll(found, 1, axis) + found + np.roll(found, -1, axis)) / 3
  return found.astype(np.uint8)


def make(model_dir, fvd=150., videos=8, protocol='videogpt_bair', config='videogpt/bair_prior.gin',
         size=64, seed=0, steps=(1000, 2000), random=False):
  """Writes a model directory: a protocol at several steps, its videos, samples, a training log."""
  model_dir.mkdir(parents=True)
  (model_dir / 'config.gin').write_text(
      f'# config: {config}\nexperiment.Experiment.task = @tasks.VideoGPTTask\n'
      f"clips.PreparedClips.dataset = 'bair_clips'\n")
  network = 'random-network, not comparable' if random else 'i3d_kinetics400@1a2b3c4d'
  same = {'examples': 16, 'protocol': protocol, 'network': network, 'note': '20 trials',
          'commit': 'c0ffee', 'command': COMMAND, 'warnings': FEW}
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
  real, made = clips(videos, size=size, seed=seed), clips(videos, size=size, seed=seed, blur=3)
  folder = model_dir / results.EVALUATIONS / protocol
  folder.mkdir(parents=True)
  np.savez(folder / results.VIDEOS_FILE, data=real, samples=made, conditioning_frames=1,
           worst_data=real[:2], worst_samples=made[:2], worst_ssim=[0.41, 0.52],
           best_data=real[2:4], best_samples=made[2:4], best_ssim=[0.97, 0.96])
  (model_dir / 'samples').mkdir()
  np.savez(model_dir / 'samples' / 'samples.npz', samples=clips(videos, size=size, seed=seed + 1))
  return model_dir
