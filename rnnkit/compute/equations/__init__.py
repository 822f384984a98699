"""What the equations of a cell are written with (`rnnkit.EquationCell`).

The modules make a graph of them, its derivative, and the programs that are written from it.
"""

from __future__ import annotations

from rnnkit.compute.equations.functions import dot as dot
from rnnkit.compute.equations.functions import exp as exp
from rnnkit.compute.equations.functions import log as log
from rnnkit.compute.equations.functions import maximum as maximum
from rnnkit.compute.equations.functions import minimum as minimum
from rnnkit.compute.equations.functions import relu as relu
from rnnkit.compute.equations.functions import sigmoid as sigmoid
from rnnkit.compute.equations.functions import softplus as softplus
from rnnkit.compute.equations.functions import sqrt as sqrt
from rnnkit.compute.equations.functions import tanh as tanh
from rnnkit.compute.equations.functions import where as where
from rnnkit.compute.equations.trace import Names as Names

__all__ = [
    "Names",
    "dot",
    "exp",
    "log",
    "maximum",
    "minimum",
    "relu",
    "sigmoid",
    "softplus",
    "sqrt",
    "tanh",
    "where",
]
