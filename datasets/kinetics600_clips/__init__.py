"""Kinetics-600: half a million clips of ten seconds, 600 actions."""
