"""The linear recurrent unit: complex numbers that turn and fade, each on its own."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit import Declaration, EquationCell, Normal, ParamSpec, Signal
from rnnkit.compute.equations import Names, dot, exp, sigmoid, tanh
from rnnkit.types import Array, Shape

Radius = Annotated[float, Field(ge=0, le=1)]


class LinearRecurrence(EquationCell):
    """LRU (Orvieto et al. 2023, section 3 and appendix A): y = Re(C v') + D x.

    v' = l v + exp(gamma) B x is complex, its state the pair (re, im); |l| = exp(-exp(nu)) starts
    uniform on the ring from `r_min` to `r_max`, and exp(gamma) at sqrt(1 - |l|^2). The angle of l
    is 2 atan(exp(phase)), whose cosine and sine are rational in exp(phase): for small angles it
    grows as the paper's exp(theta), and the angles beyond pi, up to which it goes, only mirror
    those below. The cell is linear in x; what is not belongs into the layers around it.
    """

    type: Literal["linear_recurrence"] = "linear_recurrence"
    states = ("y", "re", "im")
    recurrent = False

    r_min: Radius = 0.0
    r_max: Radius = 1.0
    max_phase: Annotated[float, Field(gt=0, le=math.pi)] = math.pi

    @model_validator(mode="after")
    def _ring(self) -> "LinearRecurrence":
        if self.r_min >= self.r_max:
            raise ValueError(f"r_min {self.r_min} must be below r_max {self.r_max}")
        return self

    def matrices(self) -> dict[str, tuple[str, ...]]:
        """Declare B and C, real and imaginary part each, and D."""
        return {
            "B": ("inputs", "units", "re", "im"),
            "C": ("units", "units", "re", "im"),
            "D": ("inputs", "units"),
        }

    def extra(self, inputs: Signal) -> Declaration:
        """Declare modulus, angle and scale of each unit."""
        starts = {"nu": self._moduli, "phase": self._angles, "gamma": self._scales}
        return {name: ParamSpec((self.units,), of, decay=False) for name, of in starts.items()}

    def params(self, inputs: Signal) -> Declaration:
        """Declare the parameters, B, C and D normal: each part adds to a variance of 1."""
        width, units = inputs.known(), self.units
        return {
            "B": ParamSpec((width, 2 * units), _normal(0.5 / width), gates=2),
            "C": ParamSpec((units, 2 * units), _normal(1 / units), gates=2),
            "D": ParamSpec((width, units), _normal(1 / width)),
            **self.extra(inputs),
        }

    def equations(self, x: Names, r: Names, s: Names, p: Names) -> Any:
        """Return y, re' and im'."""
        modulus, scale = exp(-exp(p.nu)), exp(p.gamma)
        cosine = -tanh(p.phase)
        sine = 2 * exp(-abs(p.phase)) * sigmoid(2 * abs(p.phase))
        turned, crossed = modulus * cosine, modulus * sine
        re = turned * s.re - crossed * s.im + scale * dot(x.input, p.B.re)
        im = turned * s.im + crossed * s.re + scale * dot(x.input, p.B.im)
        return dot(re, p.C.re) - dot(im, p.C.im) + dot(x.input, p.D), re, im

    def _squares(self) -> Array:
        """Return |l|^2 of each unit, evenly spread: drawn, the scales could not follow from it."""
        places = (np.arange(self.units) + 0.5) / self.units
        return np.asarray(self.r_min**2 + places * (self.r_max**2 - self.r_min**2))

    def _moduli(self, shape: Shape, random: np.random.Generator) -> Array:
        return np.asarray(np.log(-0.5 * np.log(self._squares())))

    def _angles(self, shape: Shape, random: np.random.Generator) -> Array:
        angles = self.max_phase * (1 - random.uniform(0, 1, shape))
        return np.asarray(np.log(np.tan(0.5 * angles)))

    def _scales(self, shape: Shape, random: np.random.Generator) -> Array:
        return np.asarray(0.5 * np.log(1 - self._squares()))


def _normal(variance: float) -> Normal:
    return Normal(std=math.sqrt(variance))
