//! Activations of neural networks.
use super::exp::{Expm1, exp, exp_parts, exp_tail, reduce};
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
        // Beyond these it is 1, or nothing; the bound comes first, so that NaN remains.
        let x = pick(x, 28.0, 45.0).min(x);
        let x = pick(x, -104.0, -746.0).max(x);
        // With e^-x = (1 + t) 2^-m, it is 2^m / (2^m + 1 + t): nothing overflows, and t joins the smaller part unrounded.
        let (n, high, low) = reduce(-x);
        let r = high + low;
        let t = high + (r * r).mul_add(exp_tail(r), low);
        let (m, one) = (-n, x.lit(1.0));
        let power = x.lit(-60.0).max(m).power_of_two();
        (one / ((t + one.min(power)) + one.max(power))).scale(m)
    }
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
        // Far to the left there is nothing left, even of infinity.
        let x = pick(x, -112.0, -754.0).max(x);
        let (y, n) = sigmoid_parts(x, x.lit(0.0));
        // Scaled last: the sigmoid alone would lose its digits before its product with x does.
        (x * y).scale(n)
    }
}

/// The sigmoid of `x + low` as `y 2^n`, for a `low` that is lost in `x`.
#[inline(always)]
pub(super) fn sigmoid_parts<V: FloatVec>(x: V, low: V) -> (V, V) {
    let left = x.lt(x.lit(0.0));
    // e^-|x| never overflows, and is what the result becomes far to the left.
    let (p, q, n) = exp_parts(pick(x, -112.0, -754.0).max(-x.abs()));
    let q = p.mul_add(V::select(left, low, -low), q);
    let (zero, one) = (x.lit(0.0), x.lit(1.0));
    // 1 + e^-|x| in two parts, and the quotient corrected by what is left of the division.
    let e = p.scale(n);
    let d = one + e;
    let d_low = q.scale(n) + (e - (d - one));
    let numerator = V::select(left, p, one);
    let numerator_low = V::select(left, q, zero);
    let r = one / d;
    let y = numerator * r;
    let rest = d.neg_mul_add(y, numerator) + d_low.neg_mul_add(y, numerator_low);
    (r.mul_add(rest, y), V::select(left, n, zero))
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
        let (zero, one) = (x.lit(0.0), x.lit(1.0));
        let (y, n) = sigmoid_parts(x, zero);
        let s = y.scale(n);
        g * (s * x.mul_add(one - s, one))
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
        let (y, n) = sigmoid_parts(t, t.lit(0.0));
        V::select(t.gt(x.lit(self.threshold)), g, g * y.scale(n))
    }
}
