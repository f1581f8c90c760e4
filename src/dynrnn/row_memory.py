"""What a row looks up in a memory of its own, where torch's functions would do too much.

The engine runs steps with these functions, and with matrix products of a row's vector and a row's memory
(``torch.bmm``, ``torch.matmul``), natively where the memory comes as ``per_row`` of `dynrnn.scan`.
"""

from dynrnn.engine.additive import additive_score

__all__ = ["additive_score"]
