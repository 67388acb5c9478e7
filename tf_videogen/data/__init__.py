"""Sources of clips for training and evaluation, and functions that write and arrange videos."""
