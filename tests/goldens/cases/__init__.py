"""The golden programs, one module a group; see ``../README.md``."""

MODULES = (
    "drivers",
    "cells",
    "optimizers",
    "names",
    "array",
    "maths",
    "network",
    "losses",
    "layers",
    "control",
    "errors",
    "contrib",
)
