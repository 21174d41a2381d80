//! Sine and cosine: `x = n pi/2 + r` by pi in three parts, Cephes' polynomials of `r`, exchanged and negated by `n mod 4`.
use super::{horner, pick};
use crate::map::Formula;
use crate::simd::{Float, FloatVec, IntVec, Mask};

/// The sine
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sin;

impl Sin {
    /// The error bound for `f32`.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 1.5;
}

impl Formula<1> for Sin {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        turned(x, 0, |x| huge(x, 0))
    }
}

/// The cosine
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cos;

impl Cos {
    /// The error bound for `f32`.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 1.5;
}

impl Formula<1> for Cos {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        turned(x, 1, |x| huge(x, 1))
    }
}

/// `sin(x + turn pi/2)`, with `huge` for the arguments too large for three parts of pi.
#[inline(always)]
fn turned<V: FloatVec>(x: V, turn: u64, huge: fn(V::Elem) -> V::Elem) -> V {
    let n = (x * x.lit(std::f64::consts::FRAC_2_PI)).round();
    // Products that are not rounded before the sum, at every level: most digits cancel.
    let minus = -n;
    let r = minus.fma(pick(x, 1.570_796_370_506_286_6, std::f64::consts::FRAC_PI_2), x);
    let r = minus.fma(pick(x, -4.371_138_828_673_793e-8, 6.123_233_995_736_766e-17), r);
    let r = minus.fma(pick(x, -1.715_124_510_005_881_9e-15, -1.497_384_905_065_873e-33), r);
    let y = quadrant(r, n, turn);
    let y = V::select(x.equals(x.lit(0.0)) & r.equals(x), if turn == 0 { x } else { y }, y);
    let far = !x.abs().le(pick(x, 1e5, 1e9));
    if far.any() { y.patch(far, x, huge) } else { y }
}

/// `sin(r + (n + turn) pi/2)` for `|r|` up to a little over `pi/4` and an integer `n`.
#[inline(always)]
pub(crate) fn quadrant<V: FloatVec>(r: V, n: V, turn: u64) -> V {
    let (sin, cos) = (sin_near(r), cos_near(r));
    // The lowest bits of the sum are those of n.
    let q = (n + n.lit(1.5 * (1u64 << V::Elem::MANTISSA_BITS) as f64)).to_bits();
    let q = q + q.lit(turn);
    let y = V::select((q & q.lit(1)).equals(q.lit(1)), cos, sin);
    let sign_bit = if V::Elem::IS_F64 { 63 } else { 31 };
    V::from_bits(y.to_bits() ^ (q & q.lit(2)).shl(sign_bit - 1))
}

/// The sine for `|r| <= pi/4`.
#[inline(always)]
fn sin_near<V: FloatVec>(r: V) -> V {
    let z = r * r;
    let series = if V::Elem::IS_F64 {
        horner(z, SIN)
    } else {
        horner(z, [-1.951_529_589_1e-4, 8.332_160_873_6e-3, -1.666_665_461_1e-1])
    };
    (series * z).mul_add(r, r)
}

/// The cosine for `|r| <= pi/4`.
#[inline(always)]
fn cos_near<V: FloatVec>(r: V) -> V {
    let z = r * r;
    let series = if V::Elem::IS_F64 {
        horner(z, COS)
    } else {
        horner(z, [2.443_315_711_809_948e-5, -1.388_731_625_493_765e-3, 4.166_664_568_298_827e-2])
    };
    let one = r.lit(1.0);
    let half = z * r.lit(0.5);
    let w = one - half;
    // What the difference lost joins the series.
    w + (z * z).mul_add(series, (one - w) - half)
}

const SIN: [f64; 6] = [
    1.589_623_015_765_465_7e-10,
    -2.505_074_776_285_780_7e-8,
    2.755_731_362_138_572_2e-6,
    -1.984_126_982_958_954e-4,
    8.333_333_333_322_118e-3,
    -1.666_666_666_666_663e-1,
];
const COS: [f64; 6] = [
    -1.135_853_652_138_768_2e-11,
    2.087_570_084_197_473e-9,
    -2.755_731_417_929_674e-7,
    2.480_158_728_885_170_4e-5,
    -1.388_888_888_887_305_6e-3,
    4.166_666_666_666_659e-2,
];

/// `2 / pi`, the bits after the point.
const TWO_OVER_PI: [u64; 20] = [
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
];

/// 64 bits of `2 / pi` from bit `at` on, counted from the point; those before it are zero.
fn bits(at: i32) -> u64 {
    let word = |i: i32| usize::try_from(i).ok().and_then(|i| TWO_OVER_PI.get(i)).copied().unwrap_or(0);
    let (i, shift) = (at.div_euclid(64), at.rem_euclid(64) as u32);
    let high = word(i) << shift;
    if shift == 0 { high } else { high | word(i + 1) >> (64 - shift) }
}

/// The sine of a huge number, turned by `turn` quarters, after Payne and Hanek: of the product with `2 / pi`, only the
/// bits that matter for the quarter and the angle in it are computed. In scalars of `f64`, for arguments so rare that time
/// does not count.
fn huge<E: Float>(x: E, turn: i64) -> E {
    let x = x.to_f64();
    if !x.is_finite() {
        return E::from_f64(f64::NAN);
    }
    let (pattern, exponent) = (x.abs().to_bits(), (x.abs().to_bits() >> 52) as i32);
    let mantissa = (pattern & ((1 << 52) - 1) | 1 << 52) as u128;
    // x = mantissa 2^e; a quarter of x 2/pi is a number of turns, whose whole part is dropped.
    let at = exponent - 1075 - 2;
    let (w0, w1, w2) = (bits(at) as u128, bits(at + 64) as u128, bits(at + 128) as u128);
    let low = mantissa * w2;
    let middle = mantissa * w1 + (low >> 64);
    let high = (mantissa * w0).wrapping_add(middle >> 64) as u64;
    let turns = (high as u128) << 64 | (middle as u64) as u128;
    // The nearest quarter, and what is left as a signed fraction of a turn.
    let quarter = (high.wrapping_add(1 << 61) >> 62) as i64;
    let rest = turns.wrapping_sub((quarter as u128) << 126) as i128;
    let sign = if x < 0.0 { -1.0 } else { 1.0 };
    let r = sign * (rest as f64 * 2f64.powi(-128)) * std::f64::consts::TAU;
    let z = r * r;
    let series = |c: &[f64]| c.iter().fold(0.0f64, |sum, &c| sum.mul_add(z, c));
    let q = (sign as i64 * quarter + turn).rem_euclid(4);
    let y = if q % 2 == 0 {
        (series(&SIN) * z).mul_add(r, r)
    } else {
        let half = 0.5 * z;
        let w = 1.0 - half;
        w + (z * z).mul_add(series(&COS), (1.0 - w) - half)
    };
    E::from_f64(if q >= 2 { -y } else { y })
}
