"""The pipeline of `reporting_builder` on Beam: one reader per worker, outcomes in text files."""

import dataclasses
import json

import apache_beam as beam

_OUTCOMES = 'outcomes'


class Examples(beam.PTransform):
  """Makes (key, example) from pieces of raw data.

  Args:
    pieces: list of the pieces, see `ReportingBuilder._pieces`.
    reader: reader of the pieces, see `ReportingBuilder._reader`.
    outcomes: str, beginning of the names of the text files, which have one line of JSON per
      Outcome.
  """

  def __init__(self, pieces, reader, outcomes):
    super().__init__()
    self._pieces, self._read, self._outcomes = pieces, _Read(reader), outcomes

  def expand(self, pipeline):
    """Returns a PCollection of (key, example)."""
    read = (pipeline
            | 'Pieces' >> beam.Create(self._pieces)
            | 'Spread' >> beam.Reshuffle()
            | 'Read' >> beam.ParDo(self._read).with_outputs(_OUTCOMES, main='examples'))
    _ = read[_OUTCOMES] | 'Report' >> beam.io.WriteToText(self._outcomes)
    return read.examples


def in_pieces(examples, divide):
  """Returns a PTransform of (key, record): what `divide` makes of each (name, example)."""
  return examples | 'Pieces of videos' >> beam.FlatMapTuple(divide)


class _Read(beam.DoFn):
  """Reads a piece."""

  def __init__(self, reader):
    self._reader = reader

  def setup(self):
    self._reader.__enter__()

  def teardown(self):
    self._reader.__exit__(None, None, None)

  def process(self, piece):
    for outcome, example in self._reader.read(piece):
      yield beam.pvalue.TaggedOutput(_OUTCOMES, json.dumps(dataclasses.asdict(outcome)))
      if example is not None:
        yield outcome.name, example
