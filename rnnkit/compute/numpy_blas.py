"""The BLAS that NumPy multiplies with, among all that are loaded into a process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from threadpoolctl import LibController, ThreadpoolController


def numpy_blas() -> LibController | None:
    """Return NumPy's own BLAS; None where it cannot be found.

    SciPy, scikit-learn and others bring one each. A wheel of NumPy has its own in its folder, or in
    the one beside it. Where NumPy has the system's, it is the first by path that is not in the
    folder of another package.
    """
    home = Path(np.__file__).parent
    own = (home, home.with_name("numpy.libs"))

    def distance(blas: LibController) -> int:
        parents = Path(blas.filepath).parents
        return 0 if any(folder in parents for folder in own) else 1 + (home.parent in parents)

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return min(found, key=lambda blas: (distance(blas), blas.filepath), default=None)
