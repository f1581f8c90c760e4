"""The foundation of the TF1 face: graph, static shapes, session, variables and scopes, gradients, control flow.

Nothing here knows a cell or an unrolling; the namespaces beside this package are built on it.
"""
