//! The logarithm, as in FreeBSD's msun (after FDLIBM, K. C. Ng): `x = 2^k (1 + f)`, `s = f / (2 + f)`,
//! `log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2))`.
use super::{horner, pick};
use crate::map::Formula;
use crate::simd::{Float, FloatVec, IntVec};

/// The natural logarithm
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Log;

impl Log {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 1.5;
}

impl Formula<1> for Log {
    const WEIGHT: usize = 4;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        log(x)
    }
}

/// `k` and `f` with `x = 2^k (1 + f)` and `1 + f` between `sqrt(1/2)` and `sqrt(2)`, for positive finite `x`.
#[inline(always)]
pub(super) fn split<V: FloatVec>(x: V) -> (V, V) {
    let bits = V::Elem::MANTISSA_BITS;
    let bias = V::Elem::BIAS as u64;
    // Subnormals are made normal first.
    let smallest = f64::from_bits((1023 + 1 - bias) << 52);
    let tiny = x.lt(x.lit(smallest));
    let x = V::select(tiny, x * x.lit((1u64 << (bits + 2)) as f64), x);
    // Shifted so that the exponent changes at sqrt(1/2) and not at 1.
    let root = if V::Elem::IS_F64 { std::f64::consts::FRAC_1_SQRT_2.to_bits() } else { 0x3f35_04f3 };
    let i = x.to_bits();
    let i = i + i.lit((bias << bits) - root);
    let f = V::from_bits((i & i.lit((1 << bits) - 1)) + i.lit(root)) - x.lit(1.0);
    // The biased exponent becomes a float as the low bits of a large one.
    let large = (1u64 << bits) as f64;
    let k = V::from_bits(i.shr(bits) | x.lit(large).to_bits()) - x.lit(large + bias as f64);
    (k - V::select(tiny, x.lit(bits as f64 + 2.0), x.lit(0.0)), f)
}

/// `k ln 2 + log(1 + f) + c`, for a small correction `c`.
#[inline(always)]
pub(super) fn combine<V: FloatVec>(k: V, f: V, c: V) -> V {
    let half_square = f * f * f.lit(0.5);
    let s = f / (f + f.lit(2.0));
    let z = s * s;
    let r = z * if V::Elem::IS_F64 {
        horner(
            z,
            [
                1.479_819_860_511_658_6e-1,
                1.531_383_769_920_937_3e-1,
                1.818_357_216_161_805e-1,
                2.222_219_843_214_978_4e-1,
                2.857_142_874_366_239e-1,
                3.999_999_999_940_942e-1,
                6.666_666_666_666_735e-1,
            ],
        )
    } else {
        horner(z, [0.242_790_788_41, 0.284_987_866_88, 0.400_009_721_52, 0.666_666_626_93])
    };
    let low = k.mul_add(pick(f, 9.058_000_614_5e-6, 1.908_214_929_270_587_7e-10), c);
    let high = k * pick(f, 6.931_381_225_6e-1, 6.931_471_803_691_238e-1);
    high - ((half_square - (s.mul_add(half_square + r, low))) - f)
}

/// The natural logarithm.
#[inline(always)]
pub(crate) fn log<V: FloatVec>(x: V) -> V {
    let (k, f) = split(x);
    special(x, combine(k, f, x.lit(0.0)))
}

/// `y` but for the arguments where the logarithm is no number.
#[inline(always)]
pub(super) fn special<V: FloatVec>(x: V, y: V) -> V {
    let zero = x.lit(0.0);
    let y = V::select(x.equals(zero), x.lit(f64::NEG_INFINITY), y);
    let y = V::select(x.lt(zero), x.lit(f64::NAN), y);
    // Infinity and NaN are their own logarithms.
    V::select(x.lt(x.lit(f64::INFINITY)), y, x)
}

/// `log(1 + x)`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Log1p;

impl Log1p {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.5;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 1.5;
}

impl Formula<1> for Log1p {
    const WEIGHT: usize = 5;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        log1p(x)
    }
}

/// `log(1 + x)`
#[inline(always)]
pub(super) fn log1p<V: FloatVec>(x: V) -> V {
    let (zero, one) = (x.lit(0.0), x.lit(1.0));
    let u = x + one;
    let (k, f) = split(u);
    // What the sum lost, to first order.
    let lost = V::select(x.gt(one), one - (u - x), x - (u - one));
    let c = lost / u;
    // Near zero nothing need be lost at all.
    let near = x.gt(x.lit(-0.29)) & x.lt(x.lit(0.41));
    let y = combine(V::select(near, zero, k), V::select(near, x, f), V::select(near, zero, c));
    V::select(x.equals(zero), x, special(u, y))
}
