"""Videos of squares: a toy of a data set."""
