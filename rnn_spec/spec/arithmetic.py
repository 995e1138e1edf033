r"""The numbers that the model runs on: plain, error-bounded, and high precision.

Each arithmetic offers the same few operations (`array`, `tanh`, `relu`, ...) and arrays with
``@``, ``+``, ``*`` and indexing, so `spec.model` and `spec.gradient` are written once.

The bound
---------
`BoundedArithmetic` carries with every element x the reference computes a number dx such that any
correct implementation's x^ satisfies |x^ - x| <= dx. The derivation, with u the unit roundoff of
the implementation's format, v = 2^-53 that of the reference, eta what one underflow may lose
(`Format.underflow`), and gamma_n = n u / (1 - n u):

1. *One operation.* Barring overflow, fl(a op b) = (a op b)(1 + d) + e, |d| <= u, |e| <= eta.
   (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., (2.4) and (2.8). With gradual
   underflow eta is half the smallest subnormal; where hardware may flush subnormals to zero it is
   the smallest normal number.)
2. *A sum of n terms, each perhaps a product, in any order.* A term passes through at most n
   roundings (one product and n - 1 additions; a fused multiply-add has one fewer), so the result
   is sum t_i (1 + theta_n), |theta_n| <= gamma_n (Higham, Lemma 3.1 and (3.4), whose text says
   that the bound holds for every order of evaluation), and at most 2n underflows add 2 n eta
   (1 + gamma_n). No order is assumed anywhere, so biases first, last or added to one another,
   blocked, pairwise and reversed sums, and wider accumulators are all inside.
3. *Terms that are themselves inexact.* With t_i^ the implementation's term, |t_i^ - t_i| <= dt_i
   and mass m = sum (|t_i| + dt_i), the triangle inequality gives
   |s^ - s| <= sum dt_i + gamma_n(u) m + gamma_n(v) m + 2 n eta (1 + gamma_n):
   the third term is the reference's own rounding, which counts when the subject is float64 too.
   A product of inexact factors has dt = da |b| + (|a| + da) db.
4. *tanh.* |tanh z^ - tanh z| <= dz * sup tanh' over [z - dz, z + dz] = dz (1 - tanh(r)^2) with
   r = max(|z| - dz, 0) (mean value theorem). The function itself is allowed 5 ulps (OpenCL 3.0,
   section 7.4, table of full-profile single-precision errors, tanh <= 5 ulp), and an ulp is at
   most 2 u |tanh|.
5. *relu* is exact, monotone and 1-Lipschitz: it adds nothing, and nothing is left of dz where
   z + dz <= 0. Its derivative is unknown, hence off by at most 1, where 0 is within dz of z.
6. *Overflow.* Where m (1 + gamma_n) may pass the format's largest number, some order overflows and
   some does not: the bound there is infinite. Where operands are themselves infinite or NaN, and
   the rest (whose mass m then is) does not overflow, the answer is the same in every order (IEEE
   754), and it is demanded exactly.
7. *The bound's own rounding.* Every quantity above is a sum of non-negative products, computed
   with relative error far below 2^-30; SLACK enlarges it by that much.

What it can see: one step from exact operands, a sum of n = I + H + 2 terms and its activation, has a
bound of at most `Format.resolution(n)`, about (n + 10) u, times its mass m (for |tanh z| <= |z| <= m).
An answer that is off by more is always flagged, and so is a correct implementation of something
else (weights that lost bits, say) that lies more than twice as far away. At n = 10 in float32 that
is 20 u m: the fifth bit above the last (tests/tools/test_bounds.py holds the claim, and that
correct implementations stay inside).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

TANH_ULPS = 5
SLACK = 1 + 2.0**-30


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: precision in bits (hidden bit included) and exponent range."""

    name: str
    precision: int
    min_exponent: int
    max_exponent: int
    may_flush: bool = True

    @property
    def unit_roundoff(self) -> float:
        """u, half the spacing at 1: 2^-precision."""
        return 2.0**-self.precision

    @property
    def underflow(self) -> float:
        """eta, what one underflow may lose: the smallest normal number where subnormals may be flushed.

        float16, whose normal numbers end at 6e-5, is kept gradual by hardware and by emulation.
        """
        return 2.0**self.min_exponent * (1 if self.may_flush else self.unit_roundoff)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.max_exponent

    def gamma(self, n: int) -> float:
        """gamma_n = n u / (1 - n u), infinite from n u = 1 on (Higham, Lemma 3.1)."""
        nu = n * self.unit_roundoff
        return nu / (1 - nu) if nu < 1 else np.inf

    def resolution(self, n: int) -> float:
        """What one step of n terms can see, relative to its mass (the docstring's last paragraph)."""
        ulps = 2 * TANH_ULPS * (self.unit_roundoff + REFERENCE.unit_roundoff)
        gamma = self.gamma(n) + REFERENCE.gamma(n)
        return (gamma + ulps * (1 + gamma)) * SLACK**2


FORMATS = {
    f.name: f
    for f in (
        Format("float64", 53, -1022, 1023),
        Format("float32", 24, -126, 127),
        Format("float16", 11, -14, 15, may_flush=False),
        Format("bfloat16", 8, -126, 127),
    )
}
REFERENCE = FORMATS["float64"]


class Arithmetic(Protocol):
    """The operations that the model is written over; arrays also have ``@ + * [] .T reshape``."""

    def array(self, x: np.ndarray) -> Any:
        """Take exact real numbers in."""

    def tanh(self, z: Any) -> Any:
        """tanh z."""

    def relu(self, z: Any) -> Any:
        """max(z, 0)."""

    def tanh_slope(self, h: Any) -> Any:
        """tanh'(z) = 1 - h^2, from h = tanh z."""

    def relu_slope(self, h: Any) -> Any:
        """relu'(z) = [h > 0], from h = relu z."""

    def scale(self, y: Any, p: float) -> Any:
        """y / (1 - p)."""

    def where(self, condition: np.ndarray, x: Any, other: Any) -> Any:
        """x where the condition holds, else other."""

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Stack on a new first axis."""

    def concatenate(self, arrays: Sequence[Any], axis: int) -> Any:
        """Join on an existing axis."""


class PlainArithmetic:
    """NumPy's own arithmetic in one of NumPy's floating-point types (float64 unless told)."""

    def __init__(self, dtype: str = "float64") -> None:
        """Compute in `dtype`."""
        self.dtype = np.dtype(dtype)

    def array(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x, dtype=self.dtype)

    def tanh(self, z: np.ndarray) -> np.ndarray:
        return np.tanh(z)

    def relu(self, z: np.ndarray) -> np.ndarray:
        return np.maximum(z, self.dtype.type(0))

    def tanh_slope(self, h: np.ndarray) -> np.ndarray:
        return 1 - h * h

    def relu_slope(self, h: np.ndarray) -> np.ndarray:
        return (h > 0).astype(self.dtype)

    def scale(self, y: np.ndarray, p: float) -> np.ndarray:
        return y / (1 - self.dtype.type(p))

    def where(self, condition: np.ndarray, x: np.ndarray, other: Any) -> np.ndarray:
        return np.where(condition, x, self.array(other))

    def stack(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(arrays)

    def concatenate(self, arrays: Sequence[np.ndarray], axis: int) -> np.ndarray:
        return np.concatenate(arrays, axis=axis)


class Bounded:
    """Real numbers with a bound on how far a correct implementation's may be from them.

    A sum stays open (`mass` and `terms` beside value and error) while terms are added to it, so
    that no order of summation is assumed; `rounded` closes it and charges its roundings (step 3).
    """

    __slots__ = ("_magnitude", "_transposed", "error", "format", "mass", "terms", "value")
    __array_ufunc__ = None  # ndarray defers to the operators below

    def __init__(
        self, value: np.ndarray, error: Any, format: Format, mass: Any = None, terms: int = 0
    ) -> None:
        """Hold values and errors; `error` 0.0 says exact, `mass` None says the sum is closed."""
        self.value, self.error, self.format, self.mass, self.terms = value, error, format, mass, terms
        self._magnitude: np.ndarray | None = None  # both kept, for the weights are used at every step
        self._transposed: Bounded | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def T(self) -> Bounded:
        if self._transposed is None:
            self._transposed = self.map(np.transpose)
        return self._transposed

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, key: Any) -> Bounded:
        return self.map(lambda a: a[key])

    def reshape(self, *shape: int) -> Bounded:
        return self.map(lambda a: a.reshape(*shape))

    def swapaxes(self, a: int, b: int) -> Bounded:
        return self.map(lambda x: x.swapaxes(a, b))

    def map(self, move: Any) -> Bounded:
        """Apply something that only moves elements about."""
        error, mass = (a if a is None or np.ndim(a) == 0 else move(a) for a in (self.error, self.mass))
        return Bounded(move(self.value), error, self.format, mass, self.terms)

    def magnitude(self) -> np.ndarray:
        """|x| + dx, at least the implementation's own |x^|; 0 for what is infinite or NaN (step 6)."""
        if self._magnitude is None:
            found = np.abs(self.value) + self.error
            finite = np.isfinite(found).all()
            self._magnitude = found if finite else np.where(np.isfinite(self.value), found, 0.0)
        return self._magnitude

    def size(self) -> np.ndarray:
        """|x|; what is not a number has none, for times any other it is the same."""
        found = np.abs(self.value)
        return found if np.isfinite(found).all() else np.nan_to_num(found, nan=0.0)

    def open(self) -> Bounded:
        """This as a sum to which more terms may be added."""
        if self.mass is not None:
            return self
        return Bounded(self.value, self.error, self.format, self.magnitude(), 1)

    def rounded(self) -> Bounded:
        """Close the sum: steps 2, 3 and 6."""
        if self.mass is None:
            return self
        f, n = self.format, self.terms
        gamma = f.gamma(n)
        underflow = 2 * n * f.underflow * (1 + gamma)
        error = (self.error + (gamma + REFERENCE.gamma(n)) * self.mass + underflow) * SLACK
        value, unsure = self.value, ~(self.mass * (1 + gamma) + self.error < f.largest)
        if unsure.any():
            value, error = np.where(unsure, np.nan_to_num(value), value), np.where(unsure, np.inf, error)
        return Bounded(value, known(value, error), f)

    def __add__(self, other: Bounded) -> Bounded:
        a, b = self.open(), other.open()
        return Bounded(a.value + b.value, a.error + b.error, a.format, a.mass + b.mass, a.terms + b.terms)

    def __matmul__(self, other: Bounded) -> Bounded:
        a, b = self.rounded(), other.rounded()
        magnitude = b.magnitude()
        error = 0.0 if np.ndim(a.error) == 0 else a.error @ magnitude
        if np.ndim(b.error):
            error = error + a.size() @ b.error
        return Bounded(a.value @ b.value, error, a.format, a.magnitude() @ magnitude, a.shape[-1])

    def __mul__(self, other: Bounded) -> Bounded:
        a, b = self.rounded(), other.rounded()
        magnitude = b.magnitude()
        error = a.error * magnitude + a.size() * b.error
        return Bounded(a.value * b.value, error, a.format, a.magnitude() * magnitude, 1)


def known(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The error, and 0 where the value is infinite or NaN for certain (step 6)."""
    finite = np.isfinite(value)
    return error if finite.all() else np.where(finite, error, 0.0)


class BoundedArithmetic:
    """float64 values, each with the bound derived above for implementations in one format."""

    def __init__(self, dtype: str) -> None:
        """Bound implementations that compute in `dtype`, a key of FORMATS."""
        self.format = FORMATS[dtype]

    def array(self, x: np.ndarray) -> Bounded:
        return Bounded(np.asarray(x, dtype=np.float64), 0.0, self.format)

    def tanh(self, z: Bounded) -> Bounded:
        z = z.rounded()
        h = np.tanh(z.value)
        grown = (1 - np.tanh(np.maximum(np.abs(z.value) - z.error, 0)) ** 2) * z.error
        ulps = 2 * TANH_ULPS * (self.format.unit_roundoff + REFERENCE.unit_roundoff)
        error = (grown + ulps * (np.abs(h) + grown) + self.format.underflow) * SLACK
        return Bounded(h, known(h, error), self.format)

    def relu(self, z: Bounded) -> Bounded:
        z = z.rounded()
        left = np.minimum(z.error, np.maximum(z.value + z.error, 0))
        return Bounded(np.maximum(z.value, 0), known(z.value, left), self.format)

    def tanh_slope(self, h: Bounded) -> Bounded:
        h = h.rounded()
        # 1 - h h, fused or not, or (1 - h)(1 + h), which has three roundings.
        error = h.error * (h.size() + h.magnitude())
        return Bounded(1 - h.value**2, error, self.format, 1 + h.magnitude() ** 2, 3).rounded()

    def relu_slope(self, h: Bounded) -> Bounded:
        h = h.rounded()
        unknown = ~((h.value - h.error > 0) | (h.value + h.error <= 0))
        return Bounded((h.value > 0).astype(np.float64), unknown.astype(np.float64), self.format)

    def scale(self, y: Bounded, p: float) -> Bounded:
        y = y.rounded()
        # p, 1 - p, its inverse and the product may each be rounded; p's rounding is u p / (1 - p).
        terms = 3 + int(np.ceil(p / (1 - p)))
        return Bounded(
            y.value / (1 - p), y.error / (1 - p), self.format, y.magnitude() / (1 - p), terms
        ).rounded()

    def where(self, condition: np.ndarray, x: Bounded, other: Bounded | float) -> Bounded:
        x = x.rounded()
        value, error = (other.value, other.error) if isinstance(other, Bounded) else (other, 0.0)
        return Bounded(np.where(condition, x.value, value), np.where(condition, x.error, error), self.format)

    def stack(self, arrays: Sequence[Bounded]) -> Bounded:
        return self._gather([a.rounded() for a in arrays], np.stack)

    def concatenate(self, arrays: Sequence[Bounded], axis: int) -> Bounded:
        return self._gather([a.rounded() for a in arrays], lambda parts: np.concatenate(parts, axis=axis))

    def _gather(self, arrays: list[Bounded], gather: Any) -> Bounded:
        errors = [np.broadcast_to(a.error, a.shape) if np.ndim(a.error) == 0 else a.error for a in arrays]
        return Bounded(gather([a.value for a in arrays]), gather(errors), self.format)


class HighPrecision(PlainArithmetic):
    """Real numbers as FLINT balls of `bits` bits: values with a rigorous enclosure of their error.

    Arrays are NumPy object arrays. FLINT was chosen over mpmath by measurement: forward and
    backward of a three-layer, two-direction case took 9 ms against 94 ms, and a ball proves its
    own rounding. Needs the extra ``exact`` (python-flint). Sets FLINT's global precision.
    """

    def __init__(self, bits: int = 160) -> None:
        """Compute with `bits` bits."""
        import flint

        flint.ctx.prec = bits
        self.zero = flint.arb(0)
        self._take = np.frompyfunc(lambda x: x if isinstance(x, flint.arb) else flint.arb(x), 1, 1)
        self._tanh = np.frompyfunc(lambda z: z.tanh(), 1, 1)
        self._relu = np.frompyfunc(lambda z: z if z > 0 else self.zero, 1, 1)
        self._slope = np.frompyfunc(lambda h: flint.arb(1 if h > 0 else 0), 1, 1)

    def array(self, x: Any) -> np.ndarray:
        return self._take(
            np.asarray(x) if np.asarray(x).dtype == object else np.asarray(x, np.float64).astype(object)
        )

    def tanh(self, z: np.ndarray) -> np.ndarray:
        return self._tanh(z)

    def relu(self, z: np.ndarray) -> np.ndarray:
        return self._relu(z)

    def relu_slope(self, h: np.ndarray) -> np.ndarray:
        return self._slope(h)

    def scale(self, y: np.ndarray, p: float) -> np.ndarray:
        return y / (1 - self.array(p))

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """The float64 nearest to each element; ValueError where the ball is too wide to tell."""
        low, high = (
            np.vectorize(lambda a, e=end: float(getattr(a, e)()), otypes=[float])(x)
            for end in ("lower", "upper")
        )
        if not (low == high).all():
            raise ValueError(f"{(low != high).sum()} of {x.size} elements need more bits to be rounded")
        return low
