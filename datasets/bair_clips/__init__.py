"""BAIR Robot Pushing (small): a robot's arm among toys, with its actions."""
