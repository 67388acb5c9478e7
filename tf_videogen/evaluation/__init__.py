"""Evaluation of generated videos as papers report it: measures, protocols, runs of protocols."""
