//! Activations of neural networks.
use super::exp::{Expm1, exp, expm1_parts};
use super::log::log1p;
use super::pick;
use crate::map::{Formula, IntElem, IntFormula};
use crate::simd::FloatVec;

/// `max(x, 0)`; NaN stays
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relu;

impl Formula<1> for Relu {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        x.lit(0.0).max(x)
    }
}

impl IntFormula<1> for Relu {
    #[inline(always)]
    fn eval<T: IntElem>(self, [x]: [T; 1]) -> T {
        x.max(T::default())
    }
}

/// `x` above zero, else `slope x`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    /// The slope below zero.
    pub slope: f64,
}

impl Formula<1> for LeakyRelu {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        V::select(x.gt(x.lit(0.0)), x, x * x.lit(self.slope))
    }
}

/// `x` above zero, else `alpha (e^x - 1)`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elu {
    /// What it tends to far to the left, negated.
    pub alpha: f64,
}

impl Formula<1> for Elu {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        V::select(x.gt(x.lit(0.0)), x, Expm1.eval([x]) * x.lit(self.alpha))
    }
}

/// `1 / (1 + e^-x)`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid;

impl Sigmoid {
    /// The error bound for `f32`.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 2.5;
}

impl Formula<1> for Sigmoid {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        sigmoid(x)
    }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
fn sigmoid<V: FloatVec>(x: V) -> V {
    let (n, t) = expm1_parts(-sigmoid_bounded(x));
    let (d, power, _) = denominator(n, t);
    power / d
}

/// `x` where the sigmoid is neither 1 nor nothing. The bound comes first, so that NaN remains.
#[inline(always)]
fn sigmoid_bounded<V: FloatVec>(x: V) -> V {
    pick(x, -104.0, -746.0).max(pick(x, 28.0, 45.0).min(x))
}

/// The sigmoid and 1 less it, neither of them a difference, from what [`denominator`] takes.
#[inline(always)]
pub(super) fn sigmoid_and_rest<V: FloatVec>(n: V, t: V) -> (V, V) {
    let (d, power, _) = denominator(n, t);
    let one = n.lit(1.0);
    let inverse = one / d;
    (power * inverse, (t + one) * inverse)
}

/// `d`, `2^m` and `m` with `1 / (1 + (1 + t) 2^n) = 2^m / d`: nothing overflows, and `1 + t` is not rounded by itself.
#[inline(always)]
pub(super) fn denominator<V: FloatVec>(n: V, t: V) -> (V, V, V) {
    let (m, one) = (-n, n.lit(1.0));
    let power = one.scale(m);
    ((t + power) + one, power, m)
}

/// `x / (1 + e^-x)`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Silu;

impl Silu {
    /// The error bound for `f32`.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 2.0;
}

impl Formula<1> for Silu {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        // Far to the left there is nothing left, even of infinity; far to the right it is `x`.
        let x = pick(x, -112.0, -754.0).max(x);
        let (n, t) = expm1_parts(-pick(x, 28.0, 45.0).min(x));
        let (d, _, m) = denominator(n, t);
        // Scaled last: the sigmoid alone would lose its digits before its product with x does.
        (x / d).scale(m)
    }
}

/// `log(1 + e^(beta x)) / beta`, and `x` itself where `beta x > threshold`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Softplus {
    /// How sharp the bend is.
    pub beta: f64,
    /// From where on the result is `x`.
    pub threshold: f64,
}

impl Softplus {
    /// The error bound for `f32`, for `beta` 1 and below the threshold.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`, for `beta` 1 and below the threshold.
    pub const ULP_F64: f64 = 2.5;
}

impl Formula<1> for Softplus {
    const WEIGHT: usize = 8;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        let beta = x.lit(self.beta);
        let t = x * beta;
        let soft = x.lit(0.0).max(t) + log1p(exp(-t.abs()));
        V::select(t.gt(x.lit(self.threshold)), x, soft / beta)
    }
}

/// Of `silu(x)`: `g s (1 + x (1 - s))`, where `s` is the sigmoid of `x`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SiluGrad;

impl Formula<2> for SiluGrad {
    const WEIGHT: usize = 8;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        // Beyond these the result has reached its limits.
        let x = pick(x, 112.0, 754.0).min(pick(x, -112.0, -754.0).max(x));
        let (n, t) = expm1_parts(-sigmoid_bounded(x));
        let (s, rest) = sigmoid_and_rest(n, t);
        g * (s * x.mul_add(rest, x.lit(1.0)))
    }
}

/// Of `softplus(x)`: `g` times the sigmoid of `beta x`, and `g` where `beta x > threshold`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftplusGrad {
    /// As in [`Softplus`].
    pub beta: f64,
    /// As in [`Softplus`].
    pub threshold: f64,
}

impl Formula<2> for SoftplusGrad {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        let t = x * x.lit(self.beta);
        V::select(t.gt(x.lit(self.threshold)), g, g * sigmoid(t))
    }
}
