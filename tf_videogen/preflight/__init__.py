"""What a configuration costs on a TPU, asked of the TPU's own compiler, without a TPU.

`programs` turns an experiment into the programs that one core would run, `compiler` hands them to
the TPU compiler in an environment of its own, `costs` makes memory, time bounds and core-hours of
what it says, `hardware` has the TPUs.
"""
