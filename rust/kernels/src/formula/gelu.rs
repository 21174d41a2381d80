//! The Gaussian activations.
use super::activation::{denominator, sigmoid};
use super::complement::{NORMAL, complement};
use super::exp::{expm1_parts, ln_2, nearest, small_expm1};
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

/// `e^(-x^2 / 2) f(|x|)` as `y 2^n`, for `f32`; for a large `x` nothing.
#[inline(always)]
fn times_bell<V: FloatVec, const M: usize>(x: V, f: &'static Piecewise<M>) -> (V, V) {
    let t = x.lit(14.75).min(x.abs());
    let half = t * t.lit(-0.5);
    let n = nearest(half * t, std::f64::consts::LOG2_E);
    // The square is rounded after the multiple of ln 2 is gone: its error would be magnified by the exponential.
    let (high, low) = ln_2(t);
    let r = n.neg_mul_add(low, half.fma(t, -(n * high)));
    let f = f.at(t);
    (f.mul_add(small_expm1(r), f), n)
}

/// `t Phi(-t) e^(t^2 / 2)`, that is `t / sqrt(2 pi)` times Mills' ratio
#[rustfmt::skip]
static GELU: Piecewise<7> = Piecewise::new(1.0625, 1.0, 21, &[
    [0.0, 0.0, 0.5, -0.398_940_32, 0.249_898_45, -0.131_324_57, 0.051_623_147],
    [0.322_625, 0.126_934_23, 0.305_685_46, -0.222_695_95, 0.128_875_85, -0.064_068_615, 0.029_243_805],
    [0.550_937_5, 0.186_494_07, 0.221_457_45, -0.151_442_83, 0.082_921_53, -0.039_198_805, 0.016_122_006],
    [0.810_937_5, 0.235_132_01, 0.157_110_93, -0.100_106_29, 0.051_496_21, -0.023_003_675, 0.009_138_727],
    [1.205_875, 0.284_257_9, 0.097_432_606, -0.055_936_01, 0.026_218_524, -0.010_857_709, 0.004_191_900_6],
    [1.674, 0.319_862_1, 0.058_696_28, -0.029_950_324, 0.012_636_824, -0.004_741_489_4, 0.001_568_069],
    [2.19575, 0.343_832_73, 0.035_583_33, -0.016_043_128, 0.006_048_355, -0.002_043_736, 0.000_637_263_47],
    [2.665_125, 0.357_539_68, 0.023_811_849, -0.009_671_667, 0.003_314_258_3, -0.001_022_617_2, 0.000_279_137_78],
    [3.449, 0.371_544_93, 0.013_232_014, -0.004_578_051_6, 0.001_351_161_3, -0.000_368_457_6, 9.31594e-5],
    [4.40625, 0.380_957_2, 0.007_211_550_6, -0.002_096_953, 0.000_525_785_3, -0.000_121_924_38, 2.516_922_2e-5],
    [5.4495, 0.386_678_93, 0.004_127_670_5, -0.001_016_431_6, 0.000_217_357_24, -4.316_631e-5, 8.084_692e-6],
    [6.45175, 0.389_977_43, 0.002_606_218_4, -0.000_557_506_2, 0.000_104_097_715, -1.808_396_7e-5, 2.982_639_4e-6],
    [7.977, 0.392_947_4, 0.001_438_962_5, -0.000_255_540_83, 3.979_739_3e-5, -5.905_361_4e-6, 8.401_704_6e-7],
    [10.034, 0.395_092_43, 0.000_745_949_5, -0.000_107_426_764, 1.362_074_45e-5, -1.635_405_3e-6, 1.970_025_2e-7],
    [11.906, 0.396_185_5, 0.000_453_745_16, -5.564_416e-5, 6.027_923_5e-6, -6.163_718e-7, 5.852_213_3e-8],
    [13.844_394, 0.396_892_6, 0.000_291_628_04, -3.096_632_3e-5, 2.908_243e-6, -2.565_854_5e-7, 2.221_009_7e-8],
]);

/// `(Phi(-t) - t phi(t)) e^(t^2 / 2)`
#[rustfmt::skip]
static SLOPE: Piecewise<7> = Piecewise::new(1.0625, 1.0, 21, &[
    [0.102, 0.421_082_14, -0.750_783_6, 0.212_942_94, -0.110_024_45, 0.050_519_206, -0.022_471_903],
    [0.305_437_5, 0.276_310_74, -0.676_270_7, 0.156_727_46, -0.076_492_14, 0.033_448_47, -0.012_941_931],
    [0.563, 0.111_351_99, -0.608_741_04, 0.108_919_54, -0.049_491_59, 0.020_325_823, -0.007_665_741],
    [0.806, -0.030_785_907, -0.563_530_74, 0.079_051_465, -0.033_623_908, 0.013_020_514_5, -0.004_628_853_4],
    [1.195_625, -0.240_077_18, -0.514_631_33, 0.049_292_423, -0.018_912_647, 0.006_729_521, -0.002_266_222_4],
    [1.676_625, -0.478_007_47, -0.477_868_6, 0.029_269_097, -0.009_951_057, 0.003_170_794_8, -0.000_930_920_36],
    [2.196, -0.719_500_96, -0.454_042_94, 0.017_787_442, -0.005_345_574_6, 0.001_521_062_6, -0.000_417_130_85],
    [2.686_375, -0.938_428_04, -0.439_843_2, 0.011_702_546, -0.003_154_503, 0.000_811_171_5, -0.000_197_377_08],
    [3.47875, -1.280_904_3, -0.425_950_05, 0.006_481_107_3, -0.001_485_343_6, 0.000_332_387_46, -7.536_249e-5],
    [4.42825, -1.680_551_6, -0.416_769_74, 0.003_559_898, -0.000_687_437_54, 0.000_130_264_36, -2.398_245_5e-5],
    [5.393, -2.079_839_5, -0.411_442_13, 0.002_122_298_3, -0.000_351_352_38, 5.723_039_8e-5, -8.956_745e-6],
    [6.42475, -2.502_416_1, -0.407_977_9, 0.001_318_265_6, -0.000_188_704_91, 2.667_588e-5, -3.604_746e-6],
    [8.003, -3.143_630_5, -0.404_899_92, 0.000_712_806_6, -8.409_393e-5, 9.994_905e-6, -1.219_701_3e-6],
    [9.8745, -3.899_356_6, -0.402_913_9, 0.000_390_627_65, -3.808_113e-5, 3.723_654_3e-6, -3.452_756e-7],
    [11.9755, -4.744_447_7, -0.401_667_8, 0.000_223_037_57, -1.814_109_2e-5, 1.485_481_7e-6, -1.138_592_5e-7],
    [13.765_425, -5.462_779, -0.401_015_2, 0.000_148_266_83, -1.048_365_7e-5, 7.829_047_5e-7, -1.257_770_9e-7],
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
        let (d, m) = denominator(n, (t + x.lit(1.0)).neg_mul_add(low, t));
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
