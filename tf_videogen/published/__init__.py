"""Models that authors of the papers have published, read into this suite's."""
