"""The golden programs, one module a group; see ``../README.md``."""

MODULES = (
    "drivers",
    "cells",
    "wrappers",
    "optimizers",
    "names",
    "scopes",
    "array",
    "maths",
    "network",
    "losses",
    "layers",
    "neural",
    "neural_layers",
    "control",
    "sessions",
    "errors",
    "refusals",
    "contrib",
)
