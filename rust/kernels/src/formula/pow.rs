//! Powers: the logarithm in two parts, so that its error is not magnified by the exponent.
use super::exp::exp_parts;
use super::log::split;
use super::{horner, pick, two_sum};
use crate::map::{Formula, IntElem, IntFormula};
use crate::simd::{Float, FloatVec};

/// `x^y`, with C's rules for zeros, infinities and negative bases; of integers, wrapping
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pow;

impl Pow {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 1.5;
}

impl Formula<2> for Pow {
    const WEIGHT: usize = 16;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, y]: [V; 2]) -> V {
        pow(x, y)
    }
}

impl IntFormula<2> for Pow {
    #[inline(always)]
    fn eval<T: IntElem>(self, [x, y]: [T; 2]) -> T {
        x.power(y)
    }
}

/// `x^exponent`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowScalar {
    /// Rounded to the element's type.
    pub exponent: f64,
}

impl Formula<1> for PowScalar {
    const WEIGHT: usize = 16;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        pow(x, x.lit(self.exponent))
    }
}

/// The logarithm of a positive number in two parts.
#[inline(always)]
fn log_parts<V: FloatVec>(x: V) -> (V, V) {
    let (k, f) = split(x);
    let two = x.lit(2.0);
    // s = f / (2 + f), then log(1 + f) = 2 s (1 + s^2 (1/3 + s^2 (1/5 + ...))).
    let d = f + two;
    let d_low = f - (d - two);
    let s = f / d;
    let s_low = s.neg_mul_add(d_low, (-s).fma(d, f)) / d;
    let z = s * s;
    let z_low = s.fma(s, -z) + two * s * s_low;
    let rest = if V::Elem::IS_F64 {
        horner(
            z,
            [
                1.0 / 25.0,
                1.0 / 23.0,
                1.0 / 21.0,
                1.0 / 19.0,
                1.0 / 17.0,
                1.0 / 15.0,
                1.0 / 13.0,
                1.0 / 11.0,
                1.0 / 9.0,
                1.0 / 7.0,
                1.0 / 5.0,
            ],
        )
    } else {
        horner(z, [1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0])
    };
    let third = x.lit(1.0 / 3.0);
    let third_low = pick(x, -9.934_107_481_068_821e-9, 1.850_371_707_708_594e-17);
    let zr = z * rest;
    let t = third + zr;
    let t_low = (zr - (t - third)) + third_low;
    let p = z * t;
    let p_low = z.fma(t, -p) + z.mul_add(t_low, z_low * t);
    let q = s * p;
    let q_low = s.fma(p, -q) + s.mul_add(p_low, s_low * p);
    // k ln 2 in two parts, the first exact.
    let base = k * pick(x, 0.693359375, 6.931_471_803_691_238e-1);
    let base_low = k * pick(x, -2.121_944_417_012_855_5e-4, 1.908_214_929_270_587_7e-10);
    let (sum, e) = two_sum(base, s + s);
    let (sum, e2) = two_sum(sum, q + q);
    let low = (e + e2) + (base_low + two * (s_low + q_low));
    let high = sum + low;
    (high, low - (high - sum))
}

/// `x^y`
#[inline(always)]
fn pow<V: FloatVec>(x: V, y: V) -> V {
    let (zero, one) = (x.lit(0.0), x.lit(1.0));
    let infinity = x.lit(f64::INFINITY);
    let magnitude = x.abs();
    let (log, log_low) = log_parts(magnitude);
    let product = y * log;
    let t = pick(x, 89.0, 710.0).min(pick(x, -104.0, -746.0).max(product));
    // The low part of a product beyond these bounds may be as large as they are, or no number.
    let t_low = V::select(t.equals(product), y.fma(log, -product) + y * log_low, zero);
    let (p, q, n) = exp_parts(t);
    let result = (p + p.mul_add(t_low, q)).scale(n);

    // The magnitudes no logarithm serves.
    let grows = V::select(y.gt(zero), infinity, zero);
    let shrinks = V::select(y.gt(zero), zero, infinity);
    let result = V::select(magnitude.equals(zero), shrinks, result);
    let result = V::select(magnitude.equals(infinity), grows, result);
    let endless = V::select(magnitude.gt(one), grows, V::select(magnitude.lt(one), shrinks, one));
    let result = V::select(y.abs().equals(infinity), endless, result);
    // Negative bases: odd exponents keep the sign, fractions have no result.
    let half = y * x.lit(0.5);
    let whole = y.floor().equals(y);
    let odd = whole & !half.floor().equals(half);
    let signed = one.copysign(x).lt(zero);
    let result = V::select(signed & odd, -result, result);
    let result = V::select(x.lt(zero) & magnitude.lt(infinity) & !whole, x.lit(f64::NAN), result);
    let result = V::select(x.is_nan(), x, V::select(y.is_nan(), y, result));
    V::select(x.equals(one) | y.equals(zero), one, result)
}
