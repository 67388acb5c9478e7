"""Power spectral density of frames, which shows if videos blur over time (SSW-GAN, appendix E).

It is the squared magnitude of a frame's Fourier transform, averaged over all directions. The paper
follows Ayzel, Scheffer and Heistermann, "RainNet v1.0", 2020.
"""

import numpy as np

_GREY = np.array([0.299, 0.587, 0.114])  # weights of R, G, B, ITU-R BT.601


def frequencies(height, width):
  """Returns the frequencies of `radial`'s values, in cycles per pixel.

  They are float64 [K], from 1 / max(height, width) to at most the Nyquist frequency, 0.5.
  """
  largest = max(height, width)
  return np.arange(1, largest // 2 + 1) / largest


def radial(frames):
  """Computes the power spectral density of grey frames, the mean over rings of equal frequency.

  Colors are converted to grey, and values are scaled to [0, 1]. The mean of a frame, at frequency
  0, is left out. White noise of variance v has the density v at every frequency.

  Args:
    frames: uint8 [B, H, W, C], C 1 or 3.

  Returns:
    float64 [B, K]; `frequencies` returns the K frequencies.
  """
  _, height, width, channels = frames.shape
  grey = frames[..., 0] / 255.0 if channels == 1 else frames @ _GREY / 255.0
  power = np.abs(np.fft.fft2(grey))**2 / (height * width)  # [B, H, W]
  largest = max(height, width)
  y, x = np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width)
  ring = np.rint(np.hypot(y, x) * largest).astype(int).ravel()
  rings = largest // 2
  kept = (ring >= 1) & (ring <= rings)
  power = power.reshape(len(power), -1)[:, kept]  # [B, H, W] -> [B, positions in rings]
  index = ring[kept] - 1
  counts = np.bincount(index, minlength=rings)
  return np.stack([np.bincount(index, one, rings) for one in power]) / counts
