//! What is left of the error function and of the normal distribution far from zero: `e^(-t x^2) R(x)`, with
//! `R(x) (1 + 2x)` a polynomial of `w = (x - k) / (x + k)` for all positive `x` at once (the form is Schonfelder's,
//! Math. Comp. 32, 1978; the coefficients are interpolated at Chebyshev nodes, with errors below 2e-9 and 3e-18).
use super::exp::exp_parts;
use super::pick;
use crate::simd::FloatVec;

/// The constants of a function of this kind.
pub(super) struct Complement<const N: usize> {
    t: f64,
    k: f64,
    coefficients: [f64; N],
}

/// `erfc(x)`, from 0.34 on; for `f32`.
pub(super) const ERFC_SINGLE: Complement<11> = Complement {
    t: 1.0,
    k: 2.0,
    coefficients: [
        1.763_811_966_47e-4,
        -2.920_160_125_55e-4,
        -1.430_746_287_95e-3,
        1.198_763_775_95e-3,
        8.713_995_015_86e-3,
        -8.019_240_232_43e-3,
        -5.421_879_607_62e-2,
        1.640_500_290_96e-1,
        -1.660_304_563_19e-1,
        -9.276_379_657_04e-2,
        1.276_978_382,
    ],
};

/// `erfc(x)`, from 0.34 on; for `f64`.
pub(super) const ERFC: Complement<23> = Complement {
    t: 1.0,
    k: 4.0,
    coefficients: [
        6.697_081_035_585_925e-10,
        -1.007_872_064_956_665_3e-8,
        -1.427_049_047_319_751_9e-8,
        1.044_723_346_454_341_3e-7,
        6.971_469_715_362_13e-8,
        -8.209_855_788_365_271e-7,
        2.975_676_525_522_016e-7,
        5.707_492_624_725_231e-6,
        -1.122_382_196_460_281_8e-5,
        -2.439_846_738_014_583e-5,
        1.506_222_288_962_897_8e-4,
        -1.992_568_602_023_038e-4,
        -7.577_733_988_995_109e-4,
        5.031_970_001_814_548e-3,
        -1.619_773_404_404_401_3e-2,
        3.716_751_553_537_024e-2,
        -6.633_036_581_321_705e-2,
        9.373_283_499_845_457e-2,
        -1.010_390_660_362_672_4e-1,
        6.809_705_425_469_025e-2,
        1.537_965_210_261_920_9e-2,
        -1.396_211_168_405_625e-1,
        1.232_995_118_625_552_6,
    ],
};

/// `erfc(x / sqrt(2))`, twice the normal distribution of `-x`, from 0.49 on; for `f64`.
pub(super) const NORMAL: Complement<23> = Complement {
    t: 0.5,
    k: 5.0,
    coefficients: [
        2.812_019_227_372_558e-10,
        1.400_253_977_581_244e-8,
        7.915_476_774_977_03e-9,
        -1.292_434_680_125_995_5e-7,
        -7.933_907_328_052_86e-8,
        8.598_376_922_513_835e-7,
        3.546_655_612_666_876e-7,
        -5.715_702_844_573_033e-6,
        1.069_771_888_205_867_1e-6,
        3.877_976_240_542_856e-5,
        -5.287_340_981_186_536_5e-5,
        -2.163_532_033_444_417e-4,
        8.501_915_397_952_178e-4,
        -2.373_872_162_553_301_4e-4,
        -7.143_390_844_863_581e-3,
        3.084_569_137_184_877_2e-2,
        -7.866_440_271_271_403e-2,
        1.449_756_539_511_185_8e-1,
        -2.013_148_764_334_713_7e-1,
        2.017_771_640_691_361_2e-1,
        -1.080_161_500_681_542_4e-1,
        -7.929_401_680_801_183e-2,
        1.692_224_709_450_138_6,
    ],
};

/// The function of a positive `x` as `(p + q) 2^n`.
#[inline(always)]
pub(super) fn complement<V: FloatVec, const N: usize>(x: V, f: &Complement<N>) -> (V, V, V) {
    let k = x.lit(f.k);
    let w = (x - k) / (x + k);
    // The square in two parts: its error would be magnified by the exponential.
    let square = x * x;
    let low = x.fma(x, -square) * x.lit(-f.t);
    let (p, q, n) = exp_parts(square * x.lit(-f.t));
    let q = p.mul_add(low, q);
    let e = p + q;
    let e_low = q - (e - p);
    // The last step of the polynomial and the quotient are kept in two parts as well.
    let (rest, last) = but_last(w, &f.coefficients);
    let c = x.lit(last);
    let top = c + rest;
    // `f32` rounds the coefficient, which all results would show.
    let top_low = (rest - (top - c)) + pick(x, last - last as f32 as f64, 0.0);
    let (double, one) = (x + x, x.lit(1.0));
    let bottom = double + one;
    let bottom_low = V::select(double.gt(one), one - (bottom - double), double - (bottom - one));
    let inverse = one / bottom;
    let r = top * inverse;
    let r_low = ((-r).fma(bottom, top) + r.neg_mul_add(bottom_low, top_low)) * inverse;
    let y = e * r;
    (y, e.fma(r, -y) + e.mul_add(r_low, e_low * r), n)
}

/// A polynomial by Horner's rule without its last coefficient, which comes beside it.
#[inline(always)]
fn but_last<V: FloatVec, const N: usize>(x: V, coefficients: &[f64; N]) -> (V, f64) {
    let mut sum = x.lit(coefficients[0]);
    let mut i = 1;
    while i < N - 1 {
        sum = sum.mul_add(x, x.lit(coefficients[i]));
        i += 1;
    }
    (sum * x, coefficients[N - 1])
}
