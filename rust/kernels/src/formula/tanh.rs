//! The hyperbolic tangent: a quotient of exponentials less one, which near zero is exact as well.
use super::exp::expm1_parts;
use super::pick;
use crate::map::Formula;
use crate::simd::FloatVec;

/// The hyperbolic tangent
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tanh;

impl Tanh {
    /// The error bound for `f32`.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 3.0;
}

impl Formula<1> for Tanh {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        tanh(x)
    }
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<V: FloatVec>(x: V) -> V {
    // Beyond these it is 1; the bound comes first, so that NaN remains.
    let magnitude = pick(x, 10.0, 20.0).min(x.abs());
    // With e^-2x = (1 + t) p it is (1 - (1 + t) p) / (1 + (1 + t) p).
    let (n, t) = expm1_parts(-(magnitude + magnitude));
    let (p, one) = (n.power_of_two(), x.lit(1.0));
    (t.mul_add(p, p - one) / t.mul_add(p, p + one)).copysign(x)
}
