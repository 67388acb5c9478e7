"""What a run leaves for people to read: result files, curves, one HTML page."""
