//! The error function and the Gaussian activations: polynomials near zero, the complement elsewhere.
use super::activation::sigmoid_parts;
use super::complement::{ERFC, NORMAL, complement};
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
        let (p, _, n) = complement(magnitude, &ERFC);
        let far = (x.lit(1.0) - p.scale(n)).copysign(x);
        V::select(x.abs().lt(x.lit(1.0)), near, V::select(x.is_nan(), x, far))
    }
}

/// `x Phi(x)`, Phi the normal distribution (Hendrycks and Gimpel, arXiv:1606.08415)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gelu;

impl Gelu {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.5;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 2.0;
}

impl Formula<1> for Gelu {
    const WEIGHT: usize = 10;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        // Far to the left there is nothing left, even of infinity.
        let x = pick(x, -15.5, -40.0).max(x);
        let (phi, phi_low, n) = normal(x);
        let y = x * phi;
        // Where it is `x` itself, infinity included, nothing is lost.
        let low = V::select(x.lt(x.lit(40.0)), x.fma(phi, -y) + x * phi_low, x.lit(0.0));
        // Scaled last, lest the distribution lose its digits before its product with x does.
        (y + low).scale(n)
    }
}

/// The normal distribution function of an `x` that is not below the bounds of [`Gelu`], as `(p + q) 2^n`.
#[inline(always)]
fn normal<V: FloatVec>(x: V) -> (V, V, V) {
    let z = x * x;
    let series = if V::Elem::IS_F64 {
        horner(
            z,
            [
                -1.068_078_923_158_534_4e-10,
                2.270_266_434_875_198_5e-9,
                -4.122_571_897_585_923e-8,
                6.659_691_823_435_193e-7,
                -9.444_656_240_915_3e-6,
                1.154_346_876_149_120_1e-4,
                -1.187_328_215_480_406_6e-3,
                9.973_557_010_035_817e-3,
                -6.649_038_006_690_544e-2,
                3.989_422_804_014_327e-1,
            ],
        )
    } else {
        horner(
            z,
            [
                1.096_974_065_98e-4,
                -1.186_084_618_37e-3,
                9.973_446_429_81e-3,
                -6.649_037_661_77e-2,
                3.989_422_803_84e-1,
            ],
        )
    };
    let half = x.lit(0.5);
    let near = series.mul_add(x, half);
    let near_low = series.mul_add(x, half - near);
    let magnitude = x.abs().min(pick(x, 15.5, 40.0));
    let (p, p_low, n) = complement(magnitude, &NORMAL);
    let (q, q_low) = (p * half, p_low * half);
    let (zero, one) = (x.lit(0.0), x.lit(1.0));
    let left = x.lt(zero);
    let rest = q.scale(n);
    let right = one - rest;
    let right_low = ((one - right) - rest) - q_low.scale(n);
    // The comparison fails for NaN, which the series keeps.
    let away = x.abs().ge(half);
    let high = V::select(away, V::select(left, q, right), near);
    let low = V::select(away, V::select(left, q_low, right_low), near_low);
    (high, low, V::select(left & away, n, zero))
}

/// The density of the normal distribution.
#[inline(always)]
fn density<V: FloatVec>(x: V) -> V {
    let square = (x * x) * x.lit(-0.5);
    super::exp::exp(square) * x.lit(0.398_942_280_401_432_7)
}

/// Of `gelu(x)`: `g (Phi(x) + x phi(x))`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeluGrad;

impl Formula<2> for GeluGrad {
    const WEIGHT: usize = 14;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        // Beyond these both parts have reached their limits.
        let x = pick(x, 15.5, 40.0).min(pick(x, -15.5, -40.0).max(x));
        let (phi, _, n) = normal(x);
        g * x.mul_add(density(x), phi.scale(n))
    }
}

/// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`: the other formula of the same paper
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeluTanh;

impl GeluTanh {
    /// The error bound for `f32`.
    pub const ULP: f64 = 2.0;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 2.5;
}

impl Formula<1> for GeluTanh {
    const WEIGHT: usize = 8;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        // (1 + tanh u) / 2 is the sigmoid of 2u.
        let x = x.lit(-22.0).max(x);
        let (u, low) = tanh_argument(x);
        let (y, n) = sigmoid_parts(u, low);
        (x * y).scale(n)
    }
}

/// `2 sqrt(2 / pi) (x + 0.044715 x^3)` in two parts, bounded so that nothing overflows.
#[inline(always)]
fn tanh_argument<V: FloatVec>(x: V) -> (V, V) {
    let x = x.lit(22.0).min(x);
    let square = x * x;
    let square_low = x.fma(x, -square);
    let c = pick(x, 7.135_481_387_376_785e-2, 7.135_481_627_260_025e-2);
    let c_low = pick(x, 2.398_832_465_999_589_7e-9, -6.175_149_918_155_315e-19);
    let cube = c * square;
    let cube_low = c.fma(square, -cube) + c.mul_add(square_low, c_low * square);
    let a = pick(x, 1.595_769_166_946_411, 1.595_769_121_605_730_8);
    let a_low = pick(x, -4.534_068_054_340_423e-8, -9.969_308_809_110_92e-17);
    let (sum, sum_low) = super::two_sum(cube, a);
    let sum_low = sum_low + (cube_low + a_low);
    let u = x * sum;
    (u, x.fma(sum, -u) + x * sum_low)
}

/// Of `gelu_tanh(x)`: `g (s + x s (1 - s) u')`, where `s` is the sigmoid of `u`, the doubled argument of the tanh
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeluTanhGrad;

impl Formula<2> for GeluTanhGrad {
    const WEIGHT: usize = 10;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        let x = x.lit(22.0).min(x.lit(-22.0).max(x));
        let (u, low) = tanh_argument(x);
        let (y, n) = sigmoid_parts(u, low);
        let s = y.scale(n);
        let slope = (x * x).mul_add(x.lit(3.0 * 0.071_354_816_272_600_25), x.lit(1.595_769_121_605_730_8));
        let rise = (x * slope) * (s * (x.lit(1.0) - s));
        g * (s + rise)
    }
}
