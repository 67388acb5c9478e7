"""UCF-101: 13,320 clips of 101 actions."""
