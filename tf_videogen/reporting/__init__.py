"""Reports of runs for people to read: numbers, curves and videos on one HTML page."""
