"""The cost of a configuration on a TPU, from the TPU's own compiler, without a TPU.

`programs` turns an experiment into the programs that one core would run. `compiler` passes them to
the TPU compiler, which runs in an environment of its own. `costs` computes memory, time bounds and
core-hours from the compiler's answer. `hardware` lists the TPUs.
"""
