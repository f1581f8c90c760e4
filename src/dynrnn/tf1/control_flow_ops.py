"""``tensorflow.python.ops.control_flow_ops``."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core.control_flow import case, cond, group, no_op, while_loop, with_dependencies
from dynrnn.tf1.core.control_flow import tuple_ as tuple
from dynrnn.tf1.debug_ops import Assert

__all__ = ["Assert", "case", "cond", "group", "no_op", "tuple", "while_loop", "with_dependencies"]

__getattr__ = missing(__name__, globals())
