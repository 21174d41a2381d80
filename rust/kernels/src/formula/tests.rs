//! Transcendental formulas against `f64` (and `f64` ones against the C library's, good to an ulp itself).
use super::*;
use crate::map::{Formula, float};
use crate::operand::{In, Out};
use crate::simd::{FloatElem, Level, available, with_level};

fn apply<T: FloatElem, F: Formula<1>>(f: F, x: &[T]) -> Vec<T> {
    let mut y = x.to_vec();
    let out = Out { ptr: y.as_mut_ptr(), strides: &[1] };
    // SAFETY: the slices are of one length.
    unsafe { float(f, &[x.len()], [In { ptr: x.as_ptr(), strides: &[1] }], out) };
    y
}

/// The distance of `got` from `want` in units of the last place of a format of `bits` mantissa bits, whose smallest
/// normal number has exponent `lowest`.
fn ulps(got: f64, want: f64, bits: i32, lowest: i32) -> f64 {
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() == want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got == want {
        return 0.0;
    }
    // What rounds to infinity lies one step beyond the largest number.
    let top = if bits == 23 { 2f64.powi(128) } else { f64::INFINITY };
    let (got, want) = (got.clamp(-top, top), want.clamp(-top, top));
    let exponent = (((want.abs().to_bits() >> 52) as i32) - 1023).max(lowest);
    let error = (got - want).abs();
    // In two steps, so that the unit itself is no subnormal that vanishes.
    error * 2f64.powi(-(exponent / 2)) * 2f64.powi(bits - (exponent - exponent / 2))
}

/// One formula and what it should be.
struct Subject {
    name: &'static str,
    bound: f64,
    bound_f64: f64,
    truth: fn(f64) -> f64,
    /// How far the truth itself may be off in `f64`, in ulp.
    doubt: f64,
    f32: fn(&[f32]) -> Vec<f32>,
    f64: fn(&[f64]) -> Vec<f64>,
}

macro_rules! subjects {
    ($($name:ident $doubt:literal $truth:expr;)+) => {
        [$(Subject {
            name: stringify!($name),
            bound: $name::ULP,
            bound_f64: $name::ULP_F64,
            truth: $truth,
            doubt: $doubt,
            f32: |x| apply($name, x),
            f64: |x| apply($name, x),
        }),+]
    };
}

fn subjects() -> impl IntoIterator<Item = Subject> {
    subjects! {
        Exp 1.0 f64::exp;
        Log 1.0 f64::ln;
        Tanh 1.0 f64::tanh;
        Sigmoid 2.0 |x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
        Silu 4.0 |x| if x < -754.0 { -0.0 } else if x < 0.0 { (x * (x / 2.0).exp()) / (1.0 + x.exp()) * (x / 2.0).exp() } else { x / (1.0 + (-x).exp()) };
    }
}

/// The largest error of a formula at a level, and where.
fn worst_f32(s: &Subject, level: Level, x: &[f32]) -> (f64, f32) {
    let y = with_level(level, || (s.f32)(x));
    let errors = x.iter().zip(&y).map(|(&x, &y)| (ulps(y.into(), (s.truth)(x.into()), 23, -126), x));
    errors.fold((0.0, 0.0), |worst, this| if this.0 > worst.0 { this } else { worst })
}

fn check_f32(arguments: impl Fn() -> Box<dyn Iterator<Item = Vec<f32>>>) {
    let mut failures = Vec::new();
    for s in subjects() {
        let mut worst = std::collections::BTreeMap::new();
        for x in arguments() {
            let mut bits: Option<Vec<u32>> = None;
            for level in available() {
                let this = worst_f32(&s, level, &x);
                let slot = worst.entry(level).or_insert(this);
                if this.0 > slot.0 {
                    *slot = this;
                }
                if level == Level::Portable {
                    continue;
                }
                let y = with_level(level, || (s.f32)(&x));
                let y: Vec<u32> =
                    y.into_iter().map(|y| if y.is_nan() { u32::MAX } else { y.to_bits() }).collect();
                assert!(*bits.get_or_insert_with(|| y.clone()) == y, "{}: other bits at {level}", s.name);
            }
        }
        for (level, (error, x)) in worst {
            println!("{:12} {level:9} {error:.3} ulp at {x:e} (bound {})", s.name, s.bound);
            // The portable level rounds products and sums apart.
            let slack = if level == Level::Portable { 1.0 } else { 0.0 };
            if error > s.bound + slack {
                failures.push(format!("{} {level}: {error} ulp at {x:e}", s.name));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn f32_stays_within_the_stated_bounds() {
    let special =
        [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE, f32::MAX];
    check_f32(move || {
        let mut x: Vec<f32> = (0..=u32::MAX).step_by(8_191).map(f32::from_bits).collect();
        // Most of the patterns are tiny or huge: look at the middle more closely.
        x.extend((-200_000..200_000).map(|i| i as f32 * 1.7e-4));
        x.extend((-100_000..100_000).map(|i| i as f32 * 1.1e-3));
        x.extend(special);
        Box::new(std::iter::once(x))
    });
}

#[test]
#[ignore = "every f32, minutes"]
fn every_f32_stays_within_the_stated_bounds() {
    check_f32(|| {
        Box::new(
            (0..=u32::MAX >> 20).map(|block| (0..1 << 20).map(|i| f32::from_bits(block << 20 | i)).collect()),
        )
    });
}

#[test]
fn f64_stays_within_the_stated_bounds() {
    let mut x: Vec<f64> =
        (0..200_000u64).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    x.extend((-100_000..100_000).map(|i| i as f64 * 3.3e-4));
    x.extend((-50_000..50_000).map(|i| i as f64 * 1.6e-2));
    x.extend([
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::MIN_POSITIVE,
        f64::MAX,
        5e-324,
    ]);
    let mut failures = Vec::new();
    for s in subjects() {
        let mut bits: Option<Vec<u64>> = None;
        for level in available() {
            let y = with_level(level, || (s.f64)(&x));
            let errors = x.iter().zip(&y).map(|(&x, &y)| (ulps(y, (s.truth)(x), 52, -1022), x));
            let (error, at) =
                errors.fold((0.0, 0.0), |worst, this| if this.0 > worst.0 { this } else { worst });
            println!("{:12} {level:9} {error:.3} ulp at {at:e} (bound {})", s.name, s.bound_f64);
            if error > s.bound_f64 + s.doubt + if level == Level::Portable { 1.0 } else { 0.0 } {
                failures.push(format!("{} {level}: {error} ulp at {at:e}", s.name));
            }
            if level != Level::Portable {
                let y: Vec<u64> =
                    y.into_iter().map(|y| if y.is_nan() { u64::MAX } else { y.to_bits() }).collect();
                assert!(*bits.get_or_insert_with(|| y.clone()) == y, "{}: other bits at {level}", s.name);
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
