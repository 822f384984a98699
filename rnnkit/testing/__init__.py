"""The conformance kit: what every layer and cell must do, checked in one call.

A plugin's test is four lines:

    from rnnkit.testing import check_layer
    from rnnkit_mgu import MGU

    def test_mgu(): check_layer(MGU(units=4))
"""

from __future__ import annotations

from rnnkit.testing.kit import CHECKS as CHECKS
from rnnkit.testing.kit import check_layer as check_layer
from rnnkit.testing.report import ConformanceError as ConformanceError
from rnnkit.testing.report import Report as Report

__all__ = ["CHECKS", "ConformanceError", "Report", "check_layer"]
