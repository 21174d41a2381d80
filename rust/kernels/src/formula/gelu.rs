//! The Gaussian activations.
use super::activation::{denominator, sigmoid};
use super::complement::{NORMAL, complement};
use super::exp::{expm1_parts, ln_2, magic, small_expm1_single};
use super::piecewise::Piecewise;
use super::{horner, pick};
use crate::map::Formula;
use crate::simd::{Float, FloatVec};

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
        if !V::Elem::IS_F64 {
            let (y, n) = times_bell(x, &GELU);
            // The larger zero is negative, as `-0.0` and what comes of large negative arguments should be.
            return x.lit(-0.0).max(x) - y.scale(n);
        }
        // Far to the left there is nothing left, even of infinity.
        let x = x.lit(-40.0).max(x);
        let (phi, phi_low, n) = normal(x);
        let y = x * phi;
        // Where it is `x` itself, infinity included, nothing is lost.
        let low = V::select(x.lt(x.lit(40.0)), x.fma(phi, -y) + x * phi_low, x.lit(0.0));
        // Scaled last, lest the distribution lose its digits before its product with x does.
        (y + low).scale(n)
    }
}

/// `e^(-x^2 / 2) f(|x|)` as `y 2^n`, for `f32`, from half the function; for a large `x` nothing.
#[inline(always)]
fn times_bell<V: FloatVec, const M: usize>(x: V, half: &'static Piecewise<M>) -> (V, V) {
    let t = x.lit(14.75).min(x.abs());
    let magic = magic(t);
    let counted = (t * t.lit(-0.5 * std::f64::consts::LOG2_E)).mul_add(t, magic);
    let n = counted - magic;
    // The square is rounded after the multiple of ln 2 is gone: its error would be magnified by the exponential.
    let (high, low) = ln_2(t);
    let (high, low) = (high + high, low + low);
    let s = n.mul_add(low, t.fma(t, counted.fma(high, -(magic * high))));
    let half = half.at(t);
    (half.neg_mul_add(small_expm1_single(s, -0.5), half + half), n)
}

/// Half of `t Phi(-t) e^(t^2 / 2)`, that is, of `t / sqrt(2 pi)` times Mills' ratio
#[rustfmt::skip]
const GELU: Piecewise<7> = Piecewise::new(1.0625, 1.0, 21, &[
    [0.0, 0.0, 0.25, -0.199_470_16, 0.124_949_224, -0.065_662_29, 0.025_811_573],
    [0.322_625, 0.063_467_115, 0.152_842_73, -0.111_347_97, 0.064_437_926, -0.032_034_308, 0.014_621_902],
    [0.550_937_5, 0.093_247_03, 0.110_728_726, -0.075_721_41, 0.041_460_764, -0.019_599_402, 0.008_061_003],
    [0.810_937_5, 0.117_566_004, 0.078_555_465, -0.050_053_146, 0.025_748_106, -0.011_501_837_5, 0.004_569_363_3],
    [1.205_875, 0.142_128_94, 0.048_716_303, -0.027_968_004, 0.013_109_262, -0.005_428_854_4, 0.002_095_950_3],
    [1.674, 0.159_931_05, 0.029_348_14, -0.014_975_162, 0.006_318_412, -0.002_370_744_7, 0.000_784_034_5],
    [2.19575, 0.171_916_37, 0.017_791_664, -0.008_021_564, 0.003_024_177_4, -0.001_021_868, 0.000_318_631_73],
    [2.665_125, 0.178_769_84, 0.011_905_924, -0.004_835_833_3, 0.001_657_129_1, -0.000_511_308_6, 0.000_139_568_89],
    [3.449, 0.185_772_46, 0.006_616_007, -0.002_289_025_8, 0.000_675_580_64, -0.000_184_228_8, 4.65797e-5],
    [4.40625, 0.190_478_6, 0.003_605_775_3, -0.001_048_476_6, 0.000_262_892_66, -6.096_219e-5, 1.258_461_1e-5],
    [5.4495, 0.193_339_47, 0.002_063_835_3, -0.000_508_215_8, 0.000_108_678_62, -2.158_315_5e-5, 4.042_346e-6],
    [6.45175, 0.194_988_71, 0.001_303_109_2, -0.000_278_753_1, 5.204_885_7e-5, -9.041_983_5e-6, 1.491_319_7e-6],
    [7.977, 0.196_473_7, 0.000_719_481_26, -0.000_127_770_41, 1.989_869_6e-5, -2.952_680_7e-6, 4.200_852_3e-7],
    [10.034, 0.197_546_21, 0.000_372_974_76, -5.371_338_2e-5, 6.810_372_3e-6, -8.177_026_4e-7, 9.850_126e-8],
    [11.906, 0.198_092_74, 0.000_226_872_58, -2.782_208e-5, 3.013_961_8e-6, -3.081_859e-7, 2.926_106_6e-8],
    [13.844_394, 0.198_446_3, 0.000_145_814_02, -1.548_316_1e-5, 1.454_121_5e-6, -1.282_927_3e-7, 1.110_504_8e-8],
]);

/// Half of `(Phi(-t) - t phi(t)) e^(t^2 / 2)`
#[rustfmt::skip]
const SLOPE: Piecewise<7> = Piecewise::new(1.0625, 1.0, 21, &[
    [0.102, 0.210_541_07, -0.375_391_8, 0.106_471_47, -0.055_012_226, 0.025_259_603, -0.011_235_951],
    [0.305_437_5, 0.138_155_37, -0.338_135_36, 0.078_363_73, -0.038_246_07, 0.016_724_234, -0.006_470_965_7],
    [0.563, 0.055_675_995, -0.304_370_52, 0.054_459_77, -0.024_745_796, 0.010_162_911, -0.003_832_870_4],
    [0.806, -0.015_392_953_5, -0.281_765_37, 0.039_525_732, -0.016_811_954, 0.006_510_257_3, -0.002_314_426_7],
    [1.195_625, -0.120_038_59, -0.257_315_67, 0.024_646_211, -0.009_456_323, 0.003_364_760_4, -0.001_133_111_2],
    [1.676_625, -0.239_003_73, -0.238_934_3, 0.014_634_549, -0.004_975_528_5, 0.001_585_397_4, -0.000_465_460_18],
    [2.196, -0.359_750_48, -0.227_021_47, 0.008_893_721, -0.002_672_787_3, 0.000_760_531_3, -0.000_208_565_43],
    [2.686_375, -0.469_214_02, -0.219_921_6, 0.005_851_273, -0.001_577_251_5, 0.000_405_585_74, -9.868_854e-5],
    [3.47875, -0.640_452_15, -0.212_975_03, 0.003_240_553_7, -0.000_742_671_8, 0.000_166_193_73, -3.768_124_6e-5],
    [4.42825, -0.840_275_8, -0.208_384_87, 0.001_779_949, -0.000_343_718_77, 6.513_218e-5, -1.199_122_7e-5],
    [5.393, -1.039_919_7, -0.205_721_07, 0.001_061_149_2, -0.000_175_676_19, 2.861_519_9e-5, -4.478_372_4e-6],
    [6.42475, -1.251_208_1, -0.203_988_95, 0.000_659_132_8, -9.435_246e-5, 1.333_794e-5, -1.802_373e-6],
    [8.003, -1.571_815_3, -0.202_449_96, 0.000_356_403_3, -4.204_696_6e-5, 4.997_452_4e-6, -6.098_506_4e-7],
    [9.8745, -1.949_678_3, -0.201_456_95, 0.000_195_313_83, -1.904_056_4e-5, 1.861_827_2e-6, -1.726_378e-7],
    [11.9755, -2.372_223_9, -0.200_833_9, 0.000_111_518_784, -9.070_546e-6, 7.427_408_4e-7, -5.692_962_5e-8],
    [13.765_425, -2.731_389_5, -0.200_507_6, 7.413_341_5e-5, -5.241_828_6e-6, 3.914_523_7e-7, -6.288_854_6e-8],
]);

/// The normal distribution function of an `x` of at least -40, as `(p + q) 2^n`; for `f64`.
#[inline(always)]
fn normal<V: FloatVec>(x: V) -> (V, V, V) {
    let z = x * x;
    let series = horner(
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
    );
    let half = x.lit(0.5);
    let near = series.mul_add(x, half);
    let near_low = series.mul_add(x, half - near);
    let magnitude = x.abs().min(x.lit(40.0));
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
        if !V::Elem::IS_F64 {
            let (y, n) = times_bell(x, &SLOPE);
            let left = y.scale(n);
            return g * V::select(x.lt(x.lit(0.0)), left, x.lit(1.0) - left);
        }
        // Beyond these both parts have reached their limits.
        let x = x.lit(40.0).min(x.lit(-40.0).max(x));
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
        // Beyond these the result is `x`, or nothing.
        let u = pick(x, 28.0, 45.0).min(pick(x, -112.0, -754.0).max(u));
        let (n, t) = expm1_parts(-u);
        let (d, _, m) = denominator(n, (t + x.lit(1.0)).neg_mul_add(low, t));
        (x / d).scale(m)
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
        let (u, _) = tanh_argument(x);
        let s = sigmoid(u);
        let slope = (x * x).mul_add(x.lit(3.0 * 0.071_354_816_272_600_25), x.lit(1.595_769_121_605_730_8));
        let rise = (x * slope) * (s * (x.lit(1.0) - s));
        g * (s + rise)
    }
}
