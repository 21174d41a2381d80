//! The hyperbolic tangent, as in Cephes: a polynomial (for `f64` a quotient of two) near zero, the exponential elsewhere.
use super::exp::exp;
use super::horner;
use crate::map::Formula;
use crate::simd::{Float, FloatVec};

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
    let magnitude = x.abs();
    let z = x * x;
    let series = if V::Elem::IS_F64 {
        let p = horner(z, [-9.643_991_794_250_523e-1, -9.928_772_310_019_185e1, -1.614_687_684_417_084_5e3]);
        let q =
            horner(z, [1.0, 1.128_116_784_916_329_3e2, 2.235_488_390_601_004_5e3, 4.844_063_053_251_255e3]);
        p / q
    } else {
        horner(
            z,
            [
                -5.704_988_727_45e-3,
                2.063_908_879_54e-2,
                -5.373_971_555_31e-2,
                1.333_144_220_36e-1,
                -3.333_328_194_22e-1,
            ],
        )
    };
    let near = (series * z).mul_add(x, x);
    let one = x.lit(1.0);
    let far = one - x.lit(2.0) / (exp(magnitude + magnitude) + one);
    // The comparison fails for NaN, which the polynomial keeps.
    V::select(magnitude.ge(x.lit(0.625)), far.copysign(x), near)
}
