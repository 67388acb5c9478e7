"""BAIR Robot Pushing (small): a robot arm that pushes toys, with its actions."""
