//! The exponential: `x = n ln 2 + r`, a polynomial of `r`, scaled by `2^n`.
use super::{horner, pick};
use crate::map::Formula;
use crate::simd::{Float, FloatVec};

/// `e^x`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exp;

impl Exp {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.1;
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
    let (n, t) = expm1_parts(x);
    let one = x.lit(1.0);
    let p = t + one;
    (p, t - (p - one), n)
}

/// `e^x` as `(1 + t) 2^n`, `1 + t` within a factor of `sqrt(2)` of 1; near zero, `t` is relatively exact.
#[inline(always)]
pub(super) fn expm1_parts<V: FloatVec>(x: V) -> (V, V) {
    let n = nearest(x, std::f64::consts::LOG2_E);
    let (high, low) = ln_2(x);
    (n, small_expm1(n.neg_mul_add(low, n.neg_mul_add(high, x))))
}

/// The same of `x + x_low`, for an `x_low` that is lost in `x`.
#[inline(always)]
pub(super) fn expm1_of_sum<V: FloatVec>(x: V, x_low: V) -> (V, V) {
    let n = nearest(x, std::f64::consts::LOG2_E);
    let (high, low) = ln_2(x);
    (n, small_expm1(n.neg_mul_add(high, x) + n.neg_mul_add(low, x_low)))
}

/// The integer nearest to `x factor`.
#[inline(always)]
pub(super) fn nearest<V: FloatVec>(x: V, factor: f64) -> V {
    let magic = magic(x);
    x.mul_add(x.lit(factor), magic) - magic
}

/// A number so large that the last bit of a sum with it counts ones: the sum is rounded to an integer.
#[inline(always)]
pub(super) fn magic<V: FloatVec>(x: V) -> V {
    x.lit(1.5 * (1u64 << V::Elem::MANTISSA_BITS) as f64)
}

/// `ln 2` in two parts; the first has few bits, so that its product with an integer is exact.
#[inline(always)]
pub(super) fn ln_2<V: FloatVec>(x: V) -> (V, V) {
    let high = pick(x, 0.693359375, 6.931_471_803_691_238e-1);
    (high, pick(x, -2.121_944_400_546_905_8e-4, 1.908_214_929_270_587_7e-10))
}

/// `e^r - 1` for `|r| <= ln 2 / 2`: Taylor's series for `f64`, the polynomial of least error for `f32`.
#[inline(always)]
pub(super) fn small_expm1<V: FloatVec>(r: V) -> V {
    let square = r * r;
    let tail = if V::Elem::IS_F64 {
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
        // By pairs of coefficients: the chain is shorter than Horner's, and the square is there anyway.
        let low = r.mul_add(r.lit(1.666_653_2e-1), r.lit(0.5));
        let high = r.mul_add(r.lit(8.367_813e-3), r.lit(4.166_725_3e-2));
        square.mul_add(square.mul_add(r.lit(1.386_327_8e-3), high), low)
    };
    square.mul_add(tail, r)
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
        let (n, t) = expm1_parts(bounded);
        // 2^n (1 + t) - 1, halved so that the power is finite.
        let half = x.lit(0.5);
        let power = (n - x.lit(1.0)).power_of_two();
        let y = power.mul_add(t, power - half);
        let y = V::select(n.equals(x.lit(0.0)), t, y + y);
        // The sign of zero stays.
        V::select(x.equals(x.lit(0.0)), x, y)
    }
}
