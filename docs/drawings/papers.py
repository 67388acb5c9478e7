"""One drawing per paper, which shows its idea: docs/drawings/*.svg."""

import pathlib

from docs.drawings import sketch

FOLDER = pathlib.Path(__file__).parent
_KINDS = ('blue', 'orange', 'green', 'violet')


def _scene(ball, side=6):
  """A frame of plain pixels with a ball of 2 x 2 at (row, column)."""
  return [['orange' if ball[0] <= row < ball[0] + 2 and ball[1] <= column < ball[1] + 2 else 'plain'
           for column in range(side)] for row in range(side)]


def _codes(number, side=4):
  """A frame of codes of several kinds."""
  return [[_KINDS[(3 * row + 5 * column + 7 * number + row * column) % 4] for column in range(side)]
          for row in range(side)]


def videogpt():
  """A VQ-VAE encodes a video as codes; a transformer predicts the next code."""
  drawing = sketch.Sketch(900, 330, 'VideoGPT: a VQ-VAE makes codes of a video, and a transformer '
                          'predicts them one by one')
  video = [_scene((3 - i, i)) for i in range(4)]
  codes = [_codes(i) for i in range(2)]
  drawing.text(20, 28, '1. The VQ-VAE', 'title', 'start')
  drawing.stack(30, 82, 84, video)
  drawing.text(88, 196, 'video\n16 x 64 x 64')
  drawing.arrow((165, 110), (222, 110))
  drawing.box(226, 84, 104, 52, 'encoder')
  drawing.arrow((330, 110), (388, 110), words='nearest')
  drawing.stack(394, 82, 72, codes)
  drawing.text(435, 196, 'codes, 8 x 32 x 32\nof a book of 1,024')
  drawing.arrow((486, 110), (546, 110))
  drawing.box(550, 84, 104, 52, 'decoder')
  drawing.arrow((654, 110), (716, 110))
  drawing.stack(724, 82, 84, video)
  drawing.text(782, 196, 'the video again')
  drawing.text(20, 252, '2. The prior', 'title', 'start')
  line = [kind for row in _codes(0) for kind in row][:12]
  for i, kind in enumerate(line):
    drawing.frame(394 + 26 * i, 250, 24, kind=kind)
  drawing.frame(394 + 26 * 12, 250, 24, kind='plain')
  drawing.text(394 + 26 * 12 + 12, 267, '?')
  drawing.box(226, 236, 120, 52, 'transformer')
  drawing.arrow((388, 262), (350, 262))
  drawing.arrow((286, 288), (286, 312), (718, 312), (718, 280))
  drawing.text(500, 305, 'predicts the next code from all before it', 'small')
  return drawing


def video_transformer():
  """A video is cut into slices, such as every second row and column, generated one by one."""
  drawing = sketch.Sketch(900, 300, 'Video Transformer: a video is divided into slices, which are '
                          'generated one after the other')
  shades = {(0, 0): 'blue', (0, 1): 'green', (1, 0): 'orange', (1, 1): 'violet'}
  cells = lambda: [[shades[row % 2, column % 2] for column in range(6)] for row in range(6)]
  for i in range(4):
    drawing.frame(24 + 92 * i, 66, 84, cells())
    drawing.text(66 + 92 * i, 168, f'frame {i + 1}', 'small')
  drawing.text(24, 34, 'Pixels of one color are a slice', 'title', 'start')
  drawing.text(24, 204, 'Here every second row and column: s = (1, 2, 2).\n'
               'With s = (4, 2, 2) a slice has every fourth frame,\n'
               'too, and there are 16 of them.', 'small', 'start')
  drawing.text(452, 34, 'Slice after slice, pixel after pixel', 'title', 'start')
  for i, kind in enumerate(('blue', 'green')):
    drawing.stack(462 + 72 * i, 104, 44, [[[kind] * 3 for _ in range(3)]] * 4, 5)
  drawing.text(528, 176, 'slices that are there', 'small')
  drawing.arrow((604, 122), (640, 122))
  drawing.box(644, 96, 96, 52, 'encoder')
  drawing.arrow((740, 122), (776, 122))
  drawing.box(780, 96, 96, 52, 'decoder')
  half = [['orange'] * 3, ['orange', 'plain', 'plain'], ['plain'] * 3]
  drawing.stack(806, 206, 48, [half] + [[['plain'] * 3] * 3] * 3, 5)
  drawing.arrow((828, 148), (828, 184))
  drawing.text(790, 226, 'the next slice,\none pixel at a time,\nfour bits at a time', 'small',
               'end')
  return drawing


def trivd_gan():
  """A generator continues frames by warping its states; discriminators judge parts of the video."""
  drawing = sketch.Sketch(940, 280, 'TrIVD-GAN: a generator continues frames by warping its '
                          'states, and discriminators judge views of the video')
  drawing.text(20, 28, 'The generator continues frames', 'title', 'start')
  drawing.stack(28, 86, 70, [_scene((4, 0)), _scene((3, 1))])
  drawing.text(70, 180, 'given frames', 'small')
  drawing.arrow((112, 110), (146, 110))
  drawing.box(150, 86, 84, 48, 'encoder')
  for i in range(3):
    x = 276 + 106 * i
    drawing.arrow((x - 42 if i == 0 else x - 28, 110), (x - 2, 110))
    drawing.box(x, 86, 76, 48, 'TSRU')
    drawing.arrow((x + 38, 134), (x + 38, 162))
    drawing.frame(x + 3, 166, 70, _scene((2 - i, 2 + i)))
  drawing.text(420, 66, 'a unit warps its state by a motion that it predicts, and adds what is new',
               'small')
  drawing.text(420, 258, 'predicted frames', 'small')
  drawing.text(614, 28, 'Discriminators judge views', 'title', 'start')
  drawing.stack(622, 112, 62, [_scene((3 - i, i + 1)) for i in range(3)])
  drawing.text(790, 92, 'random frames, smaller', 'small', 'start')
  drawing.frame(744, 78, 20, [['orange', 'plain'], ['plain', 'plain']])
  drawing.text(790, 142, 'the clip, smaller', 'small', 'start')
  drawing.stack(738, 132, 20, [[['orange', 'plain'], ['plain', 'plain']]] * 3, 6)
  drawing.text(790, 192, 'a crop of the clip', 'small', 'start')
  drawing.stack(738, 182, 20, [[['orange', 'orange'], ['plain', 'plain']]] * 3, 6)
  drawing.text(622, 240, 'Each network judges one view:\nfewer pixels than the clip has.', 'small',
               'start')
  return drawing


def cvg():
  """Level 1 makes a short, small video; level 2 upscales windows of it."""
  drawing = sketch.Sketch(900, 320, 'CVG: a first level makes a small video, the next one upscales '
                          'windows of it')
  drawing.text(20, 28, 'Level 1, from noise', 'title', 'start')
  drawing.text(30, 108, 'z')
  drawing.arrow((40, 103), (62, 103))
  drawing.box(66, 78, 70, 50, 'GAN')
  drawing.arrow((136, 103), (160, 103))
  for i in range(6):
    drawing.frame(168 + 44 * i, 84, 38, _scene((min(4, i),) * 2))
  drawing.text(440, 108, 'few frames of few pixels:\nthe scene and its motion', 'small', 'start')
  drawing.ring(251, 78, 134, 50)
  drawing.text(328, 68, 'a window', 'small', 'start')
  drawing.text(340, 186, 'Level 2, trained on windows', 'title', 'start')
  drawing.arrow((318, 128), (318, 166), (70, 166), (70, 216))
  drawing.box(24, 220, 92, 50, 'upscaler')
  drawing.arrow((116, 245), (150, 245))
  for i in range(6):
    drawing.frame(156 + 80 * i, 208, 74, _scene((2 + i // 2,) * 2))
  drawing.text(393, 302, 'twice as many frames, each larger: details', 'small')
  drawing.box(706, 72, 174, 62, 'matching\ndiscriminator')
  drawing.arrow((632, 245), (793, 245), (793, 138))
  drawing.text(640, 264, 'made small and short again,\nit must agree with its input', 'small',
               'start')
  drawing.arrow((318, 78), (318, 48), (660, 48), (660, 103), (702, 103))
  return drawing


def ssw_gan():
  """Stages are trained one after the other; a stage that is trained is frozen."""
  drawing = sketch.Sketch(900, 330, 'SSW-GAN: stages are trained one after the other, on windows')
  drawing.text(20, 28, 'Stages are trained one after the other, each on short windows', 'title',
               'start')
  for row, (side, count, taken, name, about, pixels) in enumerate((
      (24, 6, 0, 'stage 1', 'trained first, then frozen', '32 x 32 pixels'),
      (34, 9, 3, 'stage 2', 'trained on windows, then frozen', 'longer and larger'),
      (46, 11, 3, 'stage 3', 'trained on windows', '128 x 128 pixels'))):
    y = 56 + 92 * row
    drawing.box(24, y, 92, 46, name)
    for i in range(count):
      drawing.frame(140 + (side + 5) * i, y + 23 - side / 2, side,
                    _scene((i * 4 // (count - 1), i * 4 // (count - 1))))
    if taken:
      start = 2
      drawing.ring(140 + (side + 5) * start - 5, y + 23 - side / 2 - 6,
                   (side + 5) * taken + 5, side + 12)
    drawing.text(876, y + 20, about, '', 'end')
    drawing.text(876, y + 38, pixels, 'small', 'end')
    if row < 2:
      drawing.arrow((70, y + 46), (70, y + 88))
  drawing.text(20, 322, 'Memory depends on the window. Samples are whole videos, of any length.',
               'small', 'start')
  return drawing


DRAWINGS = (videogpt, video_transformer, trivd_gan, cvg, ssw_gan)


def files():
  """All drawings, {path: text}."""
  return {FOLDER / f'{draw.__name__}.svg': draw().svg() for draw in DRAWINGS}
