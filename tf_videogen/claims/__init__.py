"""Claims of the papers, put to the test in miniature: arms, measures, statistics, verdicts."""
