"""Curves: which there are, what is in their SVG, and the smoothing."""

import re
import xml.etree.ElementTree

from matplotlib import figure
import numpy as np
import pytest

from tf_videogen.model_directory import results
from tf_videogen.reporting import plots


def _log(rows=50, **terms):
  return [{'step': 10 * i, **{name: f(i) for name, f in terms.items()}} for i in range(1, rows + 1)]


def _labels(svg):
  return set(re.findall(r'>([^<]+)</text>', svg))


def _result(step, split, metric, value, protocol=''):
  return results.Result(step, split, metric, value, protocol=protocol)


def _points(*series, metric='ssim', step=10, axis='frame', std=0.1):
  return [results.CurvePoint(step, metric, name, i, axis, 1 / i, std)
          for name in series for i in range(1, 6)]


def test_one_plot_a_term_with_the_loss_first_and_the_speed_last():
  log = _log(steps_per_second=lambda i: 5., nmse=lambda i: 1 / i, loss=lambda i: 2 / i)
  assert [plot.title for plot in plots.training_plots(log)] == ['Loss', 'NMSE', 'Steps per second']


def test_metrics_join_their_term_or_get_a_plot_when_repeated():
  log = _log(nmse=lambda i: 1 / i)
  evaluated = [_result(100, 'test', 'nmse', 0.5), _result(100, 'valid', 'nmse', 0.6),
               _result(100, 'test', 'ssim', 0.5), _result(100, 'test', 'psnr', 20.),
               _result(200, 'test', 'psnr', 21.),
               _result(100, 'test', 'fvd', 9., 'some'), _result(200, 'test', 'fvd', 8., 'some')]
  found = plots.training_plots(log, evaluated)
  assert [plot.title for plot in found] == ['NMSE', 'PSNR, dB']
  assert [name for name, _ in found[0].legend] == ['training', 'test', 'valid']
  assert found[1].legend == []


def test_nothing_to_plot():
  assert plots.training_plots([]) == []


@pytest.mark.parametrize('rows', [1, 5, 2000])
def test_svg_is_small_well_formed_and_fits_any_page(rows):
  plot = plots.training_plots(_log(rows, loss=lambda i: np.sin(i) + 2))[0]
  root = xml.etree.ElementTree.fromstring(plot.svg.replace('xlink:', ''))
  assert root.tag == 'svg' and root.get('viewBox') and root.get('width') is None
  assert len(plot.svg) < 60_000
  assert 'http' not in plot.svg and '<style' not in plot.svg
  assert not re.search(r'#0102\d\d|#000000|#ffffff', plot.svg)  # Variables of the page only.
  assert 'var(--series-0' in plot.svg and 'var(--ink' in plot.svg
  assert not re.search(r'<g id=|font-family', plot.svg)


def test_values_that_are_not_finite_leave_gaps():
  values = [1., float('nan'), 2., float('inf')] * 10
  log = [{'step': i, 'loss': value} for i, value in enumerate(values)]
  assert 'nan' not in plots.training_plots(log)[0].svg
  only_nan = [{'step': i, 'loss': float('nan')} for i in range(20)]
  assert plots.training_plots(only_nan)[0].svg


def test_wide_ranges_are_logarithmic():
  wide = plots.training_plots(_log(loss=lambda i: 10.**(3 - i / 10)))[0].svg
  assert {'0.1', '10'} <= _labels(wide) or {'1', '100'} <= _labels(wide)
  two_decades = plots.training_plots(_log(loss=lambda i: 60 / i))[0].svg
  assert {'3', '10', '30'} <= _labels(two_decades)


def test_one_plot_a_metric_of_the_latest_step():
  points = (_points('best of 1', 'best of 10') + _points('old', step=5)
            + _points('', metric='fvd_unrolled', step=5, axis='first frame of the window'))
  ssim, fvd = plots.curve_plots(points)
  assert (ssim.title, fvd.title) == ('SSIM', 'FVD (Avg)')
  assert [name for name, _ in ssim.legend] == ['best of 1', 'best of 10'] and fvd.legend == []
  assert 'frame' in _labels(ssim.svg) and 'first frame of the window' in _labels(fvd.svg)
  assert 'aria-label="SSIM against the frame"' in ssim.svg
  assert plots.curve_plots([]) == []


def test_power_spectra_have_a_plot_a_frame_and_logarithmic_axes():
  names = ('real, frame 1', 'real, frame 16', 'generated, frame 1', 'generated, frame 16')
  points = [results.CurvePoint(1, 'power_spectrum', name, 0.5**i, 'cycles per pixel', 1e-6 * 10**i)
            for name in names for i in range(1, 7)]
  found = plots.curve_plots(points)
  assert [plot.title for plot in found] == ['Power spectrum, frame 1', 'Power spectrum, frame 16']
  for plot in found:
    assert [name for name, _ in plot.legend] == ['real', 'generated']
    assert {'0.03', '0.1', '0.3', '10⁻⁴', '0.01'} <= _labels(plot.svg)


def test_deviations_are_bands():
  lines = {'a': [(1, 1., 0.1), (2, 2., 0.1)], 'b': [(1, 3., float('nan')), (2, 4., float('nan'))]}
  both = plots.line_plot('Title', lines, 'x').svg
  root = xml.etree.ElementTree.fromstring(both.replace('xlink:', ''))
  assert root.tag == 'svg' and 'nan' not in both
  assert 'var(--series-1' in both and not re.search(r'#0102\d', both)
  bands = [text for text in re.findall(r'style="([^"]*)"', both) if 'fill-opacity: 0.16' in text]
  assert len(bands) == 1 and 'var(--series-0' in bands[0]


def test_logarithmic_axes_bear_what_is_not_positive():
  points = [(1, 0., 0.1), (2, 1., 2.), (4, float('nan'), 1.), (8, 10., 1.)]
  svg = plots.line_plot('Title', {'': points}, 'x', log_x=True, log_y=True).svg
  assert 'nan' not in svg and 'inf' not in svg


def test_smooth_equals_the_definition():
  values = np.random.default_rng(0).normal(size=40)
  values[7] = np.nan
  expected = []
  for i in range(40):
    near = [j for j in range(40) if abs(i - j) <= 6 and j != 7]
    weights = np.array([np.exp(-0.5 * ((i - j) / 2)**2) for j in near])
    expected.append(np.sum(weights * values[near]) / np.sum(weights))
  np.testing.assert_allclose(plots.smooth(values, 2.), expected, rtol=1e-10)


def test_smooth_of_a_constant_is_the_constant():
  np.testing.assert_allclose(plots.smooth(np.full(9, 3.), 4.), np.full(9, 3.), rtol=1e-12)


def test_axes_end_where_the_data_do():
  axes = figure.Figure().add_subplot()
  plots._end_at_data(axes, [1, 5], [2, float('nan'), 9])  # pylint: disable=protected-access
  assert axes.get_xlim() == (1, 5) and axes.get_ylim() == (2, 9)
  svg = plots.line_plot('SSIM', {'a': [(1, 2., 0.5), (5, 9., 1.)]}, 'frame').svg
  assert {'1', '5'} <= _labels(svg) and not {'0', '6', '12'} & _labels(svg)


def test_points_that_hide_each_other_are_told_apart():
  """Markers of series at the same places differ in shape and size, and lines in their dashes."""
  points = [(step, 0.5, float('nan')) for step in (1, 2, 3)]
  svg = plots.line_plot('SSIM', {'a': points, 'b': points, 'c': points}, 'frame').svg
  shapes = re.findall(r'<path id="m\w+" d="([^"]+)"', svg)
  assert len(set(shapes)) == 3
  assert len(set(re.findall(r'stroke-dasharray: ([^;"]+)', svg))) == 2  # and one solid line
  same = [(1, 1.), (2, 1.)]
  svg = plots.plot_of_runs('Loss', {'a': same, 'b': same}, {}).svg
  assert 'stroke-dasharray' in svg
