//! The error function: a polynomial near zero, the complement elsewhere.
use super::complement::{ERFC, ERFC_SINGLE, complement};
use super::{horner, pick};
use crate::map::Formula;
use crate::simd::{Float, FloatVec};

/// The error function
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erf;

impl Erf {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.5;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 2.0;
}

impl Formula<1> for Erf {
    const WEIGHT: usize = 8;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        let z = x * x;
        let series = if V::Elem::IS_F64 {
            horner(
                z,
                [
                    -4.230_945_824_295_338e-12,
                    8.709_045_129_053_106e-11,
                    -1.216_456_005_728_345e-9,
                    1.479_240_120_940_481_3e-8,
                    -1.636_464_215_816_761_6e-7,
                    1.646_204_544_146_841_8e-6,
                    -1.492_564_756_751_933_2e-5,
                    1.205_533_290_288_873_6e-4,
                    -8.548_327_021_934_83e-4,
                    5.223_977_625_423_298_5e-3,
                    -2.686_617_064_512_984e-2,
                    1.128_379_167_095_512e-1,
                    -3.761_263_890_318_375_4e-1,
                    1.283_791_670_955_126e-1,
                ],
            )
        } else {
            horner(
                z,
                [
                    -9.667_044_571_49e-6,
                    1.126_595_902_56e-4,
                    -8.484_080_405_54e-4,
                    5.221_031_807_86e-3,
                    -2.686_543_072_77e-2,
                    1.128_378_249_52e-1,
                    -3.761_263_846_8e-1,
                    1.283_791_670_6e-1,
                ],
            )
        };
        // The leading coefficient less one: x itself is added without error.
        let near = series.mul_add(x, x);
        // Beyond these nothing is left of the complement.
        let magnitude = x.abs().min(pick(x, 9.0, 26.0));
        let (p, _, n) =
            if V::Elem::IS_F64 { complement(magnitude, &ERFC) } else { complement(magnitude, &ERFC_SINGLE) };
        let far = (x.lit(1.0) - p.scale(n)).copysign(x);
        V::select(x.abs().lt(x.lit(1.0)), near, V::select(x.is_nan(), x, far))
    }
}
