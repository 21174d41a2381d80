//! The Gaussian activations.
use super::activation::{denominator, sigmoid_and_rest};
use super::complement::{NORMAL, complement};
use super::exp::{expm1_of_sum, ln_2, nearest, small_expm1};
use super::piecewise::Piecewise;
use super::{horner, pick};
use crate::map::Formula;
use crate::simd::{Float, FloatVec, Level, Mask, Simd};

/// `x Phi(x)`, Phi the normal distribution (Hendrycks and Gimpel, arXiv:1606.08415)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gelu;

impl Gelu {
    /// The error bound for `f32`.
    pub const ULP: f64 = 1.8;
    /// The error bound for `f64`.
    pub const ULP_F64: f64 = 2.0;
}

impl Formula<1> for Gelu {
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x]: [V; 1]) -> V {
        if !V::Elem::IS_F64 {
            // The larger zero is negative, as `-0.0` and what comes of large negative arguments should be.
            let y = x.lit(-0.0).max(x) - NEAR.at(x.lit(NEAR_END).min(x.abs()));
            let far = x.lt(x.lit(-NEAR_END));
            return if is_needed::<V>(far) { V::select(far, -times_bell(x, &FAR), y) } else { y };
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

/// Where the first polynomials end; to the right of it, GELU of `f32` is `x`, and its derivative 1.
const NEAR_END: f64 = 5.4;
const SLOPE_NEAR_END: f64 = 6.19;

/// `t Phi(-t)`
#[rustfmt::skip]
const NEAR: Piecewise<9> = Piecewise::new(2.86, 0, &[
    [0.0, 0.0, 0.5, -0.398_942_3, 9.166_983e-7, 0.066_466_12, 0.000_283_189_9, -0.011_509_01, 0.003_353_358_7],
    [0.314_832_18, 0.118_516_855, 0.256_917_63, -0.360_837_34, 0.077_710_144, 0.052_457_415, -0.016_864_46, -0.006_955_904, 0.002_965_810_7],
    [0.659_185_35, 0.168_018_68, 0.043_265_976, -0.251_287_1, 0.125_755_7, 0.015_349_04, -0.023_652_852, 0.000_393_145_05, 0.003_497_023_1],
    [1.056_849_7, 0.153_549_79, -0.095_914_04, -0.100_771_1, 0.115_901_33, -0.024_448_397, -0.013_992_533, 0.006_422_795, 0.000_866_492_5],
    [1.435_549, 0.108_477_77, -0.128_811_09, 0.004_328_053_4, 0.066_054_374, -0.036_651_257, 0.000_720_439_13, 0.005_487_686, -0.001_297_546_6],
    [1.824_276_3, 0.062_126_01, -0.103_773_06, 0.050_166_093, 0.015_437_166, -0.025_876_343, 0.008_653_123, 0.001_141_215_6, -0.001_734_683_6],
    [2.161_056, 0.033_162_497, -0.068_111_55, 0.051_559_04, -0.009_321_655, -0.011_071_362_5, 0.008_043_765, -0.001_465_704_3, -0.000_841_463_6],
    [2.513_643_5, 0.015_017_908, -0.036_603_89, 0.036_574_58, -0.016_452_35, -0.000_215_919_96, 0.004_111_256_5, -0.001_952_102_5, 3.913_304_3e-5],
    [2.836_363_8, 0.006_471_226, -0.017_982_76, 0.021_593_982, -0.013_661_354, 0.003_693_009_3, 0.000_973_784_95, -0.001_207_648_3, 0.000_426_615_5],
    [3.191_752, 0.002_256_771_5, -0.007_105_604, 0.010_020_28, -0.008_056_518, 0.003_719_586_9, -0.000_633_690_56, -0.000_348_098_8, 0.000_290_176_25],
    [3.602_426_8, 0.000_567_850_95, -0.002_027_521_4, 0.003_329_346_4, -0.003_269_529_7, 0.002_061_648_8, -0.000_794_256_7, 0.000_123_460_82, 0.000_101_967_44],
    [3.920_248_5, 0.000_173_388_09, -0.000_675_268_53, 0.001_226_770_8, -0.001_363_249_3, 0.001_014_051_1, -0.000_510_571_64, 0.000_158_702_58, -1.009_985_7e-6],
    [4.233_454_7, 4.871_194e-5, -0.000_205_195_12, 0.000_407_510_2, -0.000_502_824_9, 0.000_426_029_2, -0.000_256_534_64, 0.000_107_580_05, -2.710_406_4e-5],
    [4.615_437, 9.052_464e-6, -4.162_958_4e-5, 9.115_098e-5, -0.000_125_703_82, 0.000_121_473_975, -8.622_221e-5, 4.539_828_3e-5, -1.945_126_1e-5],
    [4.989_615_4, 1.509_349e-6, -7.510_586_3e-6, 1.792_625_9e-5, -2.721_044_6e-5, 2.933_512_4e-5, -2.371_132_7e-5, 1.429_560_1e-5, -8.949_186e-6],
    [5.307_377_3, 2.951_268e-7, -1.562_962_4e-6, 3.990_207_5e-6, -6.519_731_4e-6, 7.628_844_7e-6, -6.755_048e-6, 4.638_415_2e-6, -3.161_222_6e-6],
]);

/// `t Phi(-t) e^(t^2 / 2)`, from where the other ends
#[rustfmt::skip]
const FAR: Piecewise<6> = Piecewise::new(1.65, 9, &[
    [5.565_673, 0.387_145_07, 0.003_900_032_3, -0.000_944_030_06, 0.000_198_952_48, -3.888_628_3e-5],
    [6.045_479, 0.388_819_07, 0.003_116_004, -0.000_704_328_5, 0.000_139_192_3, -2.491_552_2e-5],
    [6.664_503, 0.390_507_64, 0.002_382_458_4, -0.000_495_668_27, 9.037_594e-5, -1.514_734_05e-5],
    [7.269_472_6, 0.391_785_65, 0.001_869_723_9, -0.000_360_665_96, 6.107_599_6e-5, -9.500_642e-6],
    [7.893_824_6, 0.392_825_93, 0.001_482_312_8, -0.000_265_780_43, 4.189_839_5e-5, -6.156_604_7e-6],
    [8.484_976, 0.393_617_27, 0.001_207_346_6, -0.000_202_848_33, 2.999_809_5e-5, -4.125_121_4e-6],
    [9.100_582, 0.394_290_1, 0.000_988_164_2, -0.000_155_755_71, 2.163_072_5e-5, -2.781_563_6e-6],
    [9.683_225, 0.394_816_94, 0.000_826_644_13, -0.000_123_058_91, 1.615_013_6e-5, -1.925_403_5e-6],
    [10.314_067, 0.395_293_2, 0.000_688_840_87, -9.670_085e-5, 1.197_821_9e-5, -1.371_519_5e-6],
    [10.892_909, 0.395_661_7, 0.000_587_932_6, -7.841_964e-5, 9.238_815e-6, -1.005_533_9e-6],
    [11.506_315, 0.395_994_84, 0.000_501_279_7, -6.349_845e-5, 7.106_743e-6, -7.262_421_5e-7],
    [12.125_358, 0.396_282_4, 0.000_430_177_08, -5.184_588_7e-5, 5.523_463e-6, -5.905_559_4e-7],
    [12.719_055, 0.396_520_6, 0.000_374_02, -4.307_137_4e-5, 4.387_056_4e-6, -4.512_705_5e-7],
    [13.347_443, 0.396_739_66, 0.000_324_692_9, -3.571_433_6e-5, 3.474_560_6e-6, -2.637_221_4e-7],
    [13.953_667, 0.396_924_1, 0.000_284_963_23, -3.002_980_5e-5, 2.800_707_3e-6, -2.578_952_4e-7],
    [14.509_403, 0.397_073_66, 0.000_254_020_42, -2.579_661_1e-5, 2.314_903e-6, -1.756_495e-8],
]);

/// `Phi(-t) - t phi(t)`, the derivative of GELU at `-t`
#[rustfmt::skip]
const SLOPE_NEAR: Piecewise<10> = Piecewise::new(2.5, 0, &[
    [0.084_248, 0.432_938_6, -0.792_236_45, 0.066_863_06, 0.261_733_06, -0.024_963_519, -0.059_001_874, 0.001_803_679_9, 0.054_324_93, -0.042_869_86],
    [0.368_016, 0.219_226_5, -0.695_149, 0.265_117_14, 0.190_777_91, -0.094_490_74, -0.035_339_974, 0.019_920_396, 0.003_979_398, -0.001_466_971_8],
    [0.796_088, -0.018_350_625, -0.397_026_9, 0.389_375_24, -0.001_677_795, -0.110_178_73, 0.019_724_37, 0.017_876_053, -0.005_068_088, -0.001_728_178_5],
    [1.329_576, -0.127_328_5, -0.038_278_688, 0.244_604_68, -0.144_211_89, -0.015_331_235, 0.038_078_1, -0.005_928_313_4, -0.004_779_740_2, 0.001_303_705_7],
    [1.565_544, -0.124_656_99, 0.052_820_81, 0.142_038_06, -0.139_578_71, 0.022_563_405, 0.025_001_304, -0.011_270_598, -0.001_500_736_7, 0.001_722_998_8],
    [2.122_196, -0.072_158_26, 0.105_081_35, -0.022_432_696, -0.050_661_962, 0.041_777_09, -0.007_515_821, -0.005_233_614_7, 0.003_355_666, 0.000_672_032_65],
    [2.450_296, -0.041_435_216, 0.079_370_21, -0.048_668_09, -0.006_542_247_7, 0.024_278_028, -0.011_923_33, 0.000_403_723_18, 0.001_995_974_5, -0.000_117_806_6],
    [2.879_448, -0.016_196_923, 0.039_740_134, -0.039_026_04, 0.015_482_187, 0.003_379_487_7, -0.006_585_389_4, 0.002_746_469, -9.250_049e-5, -0.000_394_636_15],
    [3.243_048, -0.006_139_214_6, 0.017_676_625, -0.021_932_565, 0.014_179_364, -0.003_624_471_8, -0.001_523_971, 0.001_692_141_6, -0.000_552_335_35, -1.652_430_2e-5],
    [3.68036, -0.001_564_401_9, 0.005_272_730_7, -0.008_021_919, 0.007_052_582_7, -0.003_675_027_8, 0.000_846_212, 0.000_267_116_8, -0.000_287_392_03, 0.000_123_514_5],
    [4.04, -0.000_433_638_1, 0.001_631_966_6, -0.002_836_208_6, 0.002_965_46, -0.002_011_363_9, 0.000_854_753_13, -0.000_155_776_94, -6.141_772_6e-5, 5.326_753_3e-5],
    [4.482_736, -7.374_306e-5, 0.000_312_542_95, -0.000_623_096_13, 0.000_769_030_5, -0.000_647_686_95, 0.000_382_857_1, -0.000_153_089_42, 3.358_162_6e-5, 1.169_167_35e-5],
    [4.841_896, -1.502_934_6e-5, 6.941_036_6e-5, -0.000_152_366_51, 0.000_210_130_06, -0.000_202_261_92, 0.000_142_128_7, -7.335_839_5e-5, 2.639_291_8e-5, -5.251_216_4e-6],
    [5.2421, -2.176_385_4e-6, 1.096_431_15e-5, -2.648_224_1e-5, 4.064_859e-5, -4.425_581_2e-5, 3.604_607e-5, -2.247_555_5e-5, 1.076_621_7e-5, -4.012_068_5e-6],
    [5.671_756, -2.269_558_8e-7, 1.244_798_8e-6, -3.296_073_8e-6, 5.595_344e-6, -6.815_789e-6, 6.312_260_7e-6, -4.574_718_3e-6, 2.624_274_4e-6, -1.481_466_6e-6],
    [6.082_016, -2.192_210_3e-8, 1.295_357_2e-7, -3.714_036e-7, 6.869_547_6e-7, -9.188_586e-7, 9.441_989e-7, -7.687_656e-7, 4.967_467e-7, -3.689_691_5e-7],
]);

/// The same times `e^(t^2 / 2)`, from where the other ends
#[rustfmt::skip]
const SLOPE_FAR: Piecewise<6> = Piecewise::new(1.65, 9, &[
    [5.542_587_8, -2.141_339_8, -0.410_830_02, 0.001_971_948, -0.000_319_771_38, 5.106_192e-5],
    [6.055_206_3, -2.351_460_5, -0.409_035_24, 0.001_551_147_9, -0.000_233_980_61, 3.470_439_3e-5],
    [6.671_430_6, -2.602_979, -0.407_360_43, 0.001_187_845_7, -0.000_164_922_25, 2.213_331_6e-5],
    [7.266_909, -2.845_164_3, -0.406_103_7, 0.000_935_792_1, -0.000_120_588_05, 1.523_340_3e-5],
    [7.88197, -3.094_614_7, -0.405_076_24, 0.000_744_305_6, -8.924_043e-5, 1.067_237_6e-5],
    [8.482_067, -3.337_449_8, -0.404_270_8, 0.000_604_207_05, -6.782_884e-5, 8.119_143e-6],
    [9.094_473, -3.584_815_5, -0.403_600_5, 0.000_495_029_3, -5.209_584_6e-5, 5.471_946e-6],
    [9.69537, -3.827_169_7, -0.403_057_6, 0.000_411_844_46, -4.084_108_5e-5, 3.897_757e-6],
    [10.317_885, -4.077_929, -0.402_588_73, 0.000_344_061_18, -3.221_836e-5, 2.908_196_2e-6],
    [10.912_182, -4.317_071, -0.402_211_55, 0.000_292_495_53, -2.597_738_4e-5, 1.932_986_6e-6],
    [11.503_715_5, -4.554_895_4, -0.401_891_02, 0.000_250_755_08, -2.118_317e-5, 2.251_253_6e-6],
    [12.11354, -4.799_889_6, -0.401_607_25, 0.000_215_689_96, -1.738_977_7e-5, 1.50699e-6],
    [12.723_454, -5.044_759_3, -0.401_362_3, 0.000_186_857_35, -1.437_404_1e-5, 7.344_256_7e-7],
    [13.349_388, -5.295_915_6, -0.401_144_27, 0.000_162_296_81, -1.192_968_6e-5, 6.575_885_4e-7],
    [13.95223, -5.537_686, -0.400_960_86, 0.000_142_555_17, -1.000_255_45e-5, 4.248_538e-7],
    [14.527_535, -5.768_315_3, -0.400_806_3, 0.000_126_643_3, -8.53676e-6, -6.040_168e-7],
]);

/// Whether the exponential is to be taken. At the portable level it always is: rustc 1.95 compiles the way around it
/// wrongly for ARM, where lanes are a loop, and loses what was selected.
#[inline(always)]
fn is_needed<V: FloatVec>(far: V::Mask) -> bool {
    <V::Token as Simd>::LEVEL == Level::Portable || far.any()
}

/// `e^(-x^2 / 2) f(|x|)`, for `f32`; nothing from 14.75 on.
#[inline(always)]
fn times_bell<V: FloatVec, const M: usize>(x: V, f: &Piecewise<M>) -> V {
    let t = x.lit(14.75).min(x.abs());
    let half = t * t.lit(-0.5);
    let n = nearest(half * t, std::f64::consts::LOG2_E);
    // The square is rounded when the multiple of ln 2 is gone: its error would be magnified by the exponential.
    let (high, low) = ln_2(t);
    let r = n.neg_mul_add(low, half.fma(t, -(n * high)));
    let f = f.at(t);
    f.mul_add(small_expm1(r), f).scale(n)
}

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
    const WEIGHT: usize = 6;
    #[inline(always)]
    fn eval<V: FloatVec>(self, [x, g]: [V; 2]) -> V {
        if !V::Elem::IS_F64 {
            let left = SLOPE_NEAR.at(x.lit(SLOPE_NEAR_END).min(x.abs()));
            let y = V::select(x.lt(x.lit(0.0)), left, x.lit(1.0) - left);
            let far = x.lt(x.lit(-SLOPE_NEAR_END));
            return g * if is_needed::<V>(far) { V::select(far, times_bell(x, &SLOPE_FAR), y) } else { y };
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
        let x = x.lit(-22.0).max(x);
        let (n, t) = tanh_exponential(x);
        let (d, _, m) = denominator(n, t);
        (x / d).scale(m)
    }
}

/// `e^-u` as `(1 + t) 2^n`, for the `u` whose sigmoid is the formula's factor of an `x` of at least -22.
#[inline(always)]
fn tanh_exponential<V: FloatVec>(x: V) -> (V, V) {
    let (u, low) = tanh_argument(x);
    // Beyond these the sigmoid is 1, or nothing.
    let u = pick(x, 28.0, 45.0).min(pick(x, -112.0, -754.0).max(u));
    expm1_of_sum(-u, -low)
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
        let (n, t) = tanh_exponential(x);
        let (s, rest) = sigmoid_and_rest(n, t);
        let slope = (x * x).mul_add(x.lit(3.0 * 0.071_354_816_272_600_25), x.lit(1.595_769_121_605_730_8));
        let rise = (x * slope) * (s * rest);
        g * (s + rise)
    }
}
