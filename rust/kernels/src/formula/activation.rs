//! Activations of neural networks.
use super::exp::{exp_parts, scale};
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

/// `1 / (1 + e^-x)`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid;

impl Sigmoid {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 1.5;
}

impl Formula<1> for Sigmoid {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        let (y, n) = sigmoid_parts(x);
        scale(y, n)
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
        let (y, n) = sigmoid_parts(x);
        // Scaled last: the sigmoid alone would lose its digits before its product with x does.
        scale(x * y, n)
    }
}

/// The sigmoid of `x` as `y 2^n`.
#[inline(always)]
pub(super) fn sigmoid_parts<V: FloatVec>(x: V) -> (V, V) {
    // e^-|x| never overflows, and is what the result becomes far to the left.
    let (p, q, n) = exp_parts(pick(x, -112.0, -754.0).max(-x.abs()));
    let (zero, one) = (x.lit(0.0), x.lit(1.0));
    // 1 + e^-|x| in two parts, and the quotient corrected by what is left of the division.
    let e = scale(p, n);
    let d = one + e;
    let d_low = scale(q, n) + (e - (d - one));
    let left = x.lt(zero);
    let numerator = V::select(left, p, one);
    let numerator_low = V::select(left, q, zero);
    let r = one / d;
    let y = numerator * r;
    let rest = d.neg_mul_add(y, numerator) + d_low.neg_mul_add(y, numerator_low);
    (r.mul_add(rest, y), V::select(left, n, zero))
}
