//! The exponential: `x = n ln 2 + r`, a Taylor polynomial of `r`, scaled by `2^n`.
use super::{horner, pick};
use crate::map::Formula;
use crate::simd::{Float, FloatVec};

/// `e^x`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exp;

impl Exp {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 1.5;
}

impl Formula<1> for Exp {
    const WEIGHT: usize = 4;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        exp(x)
    }
}

/// `e^x` as `(p + q) 2^n`: `p` near 1, `q` the error of its last rounding, `n` an integer.
#[inline(always)]
pub(super) fn exp_parts<V: FloatVec>(x: V) -> (V, V, V) {
    let (n, high, low) = reduce(x);
    let r = high + low;
    // The low part of r joins where it still counts.
    let t = high + (r * r).mul_add(exp_tail(r), low);
    let one = x.lit(1.0);
    let p = t + one;
    (p, t - (p - one), n)
}

/// `n` and `r`, in two parts, with `x = n ln 2 + r`, `|r| <= ln 2 / 2`.
#[inline(always)]
pub(super) fn reduce<V: FloatVec>(x: V) -> (V, V, V) {
    let n = (x * x.lit(std::f64::consts::LOG2_E)).round();
    // The first part of ln 2 has few bits, so that its product with n is exact.
    let high = n.neg_mul_add(pick(x, 0.693359375, 6.931_471_803_691_238e-1), x);
    (n, high, n * pick(x, 2.121_944_400_546_905_8e-4, -1.908_214_929_270_587_7e-10))
}

/// `(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 2`: Taylor's series.
#[inline(always)]
pub(super) fn exp_tail<V: FloatVec>(r: V) -> V {
    if V::Elem::IS_F64 {
        horner(
            r,
            [
                1.0 / 6_227_020_800.0,
                1.0 / 479_001_600.0,
                1.0 / 39_916_800.0,
                1.0 / 3_628_800.0,
                1.0 / 362_880.0,
                1.0 / 40_320.0,
                1.0 / 5_040.0,
                1.0 / 720.0,
                1.0 / 120.0,
                1.0 / 24.0,
                1.0 / 6.0,
                0.5,
            ],
        )
    } else {
        horner(r, [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5])
    }
}

/// `e^x`
#[inline(always)]
pub(crate) fn exp<V: FloatVec>(x: V) -> V {
    // Beyond these the result is infinite, or nothing; the bound comes first, so that NaN remains.
    let x = pick(x, 89.0, 710.0).min(x);
    let x = pick(x, -104.0, -746.0).max(x);
    let (p, _, n) = exp_parts(x);
    p.scale(n)
}

/// `e^x - 1`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expm1;

impl Expm1 {
    /// The error bound for `f32`.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 2.5;
}

impl Formula<1> for Expm1 {
    const WEIGHT: usize = 4;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        let bounded = pick(x, -19.0, -40.0).max(pick(x, 89.0, 710.0).min(x));
        let (n, high, low) = reduce(bounded);
        let r = high + low;
        let t = high + (r * r).mul_add(exp_tail(r), low);
        // 2^n (1 + t) - 1, halved so that the power is finite.
        let half = x.lit(0.5);
        let power = (n - x.lit(1.0)).power_of_two();
        let y = power.mul_add(t, power - half);
        let y = V::select(n.equals(x.lit(0.0)), t, y + y);
        // The sign of zero stays.
        V::select(x.equals(x.lit(0.0)), x, y)
    }
}
