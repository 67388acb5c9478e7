"""Kinetics-600: half a million clips of ten seconds, with 600 actions."""
