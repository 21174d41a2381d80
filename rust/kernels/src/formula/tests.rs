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

/// A formula applied to every argument.
type Run<T> = fn(&[T]) -> Vec<T>;

/// One formula and what it should be.
struct Subject {
    name: &'static str,
    bound: f64,
    bound_f64: f64,
    truth: fn(f64) -> f64,
    /// How far the truth itself may be off in `f64`, in ulp.
    doubt: f64,
    f32: Run<f32>,
    f64: Run<f64>,
}

macro_rules! subjects {
    ($($name:ident $(= $make:expr)?, $doubt:literal, $truth:expr;)+) => {
        [$(Subject {
            name: stringify!($name),
            bound: $name::ULP,
            bound_f64: $name::ULP_F64,
            truth: $truth,
            doubt: $doubt,
            f32: |x| apply(subjects!(@ $name $(= $make)?), x),
            f64: |x| apply(subjects!(@ $name $(= $make)?), x),
        }),+]
    };
    (@ $name:ident) => { $name };
    (@ $name:ident = $make:expr) => { $make };
}

fn subjects() -> impl IntoIterator<Item = Subject> {
    subjects! {
        Exp, 1.0, f64::exp;
        Expm1, 1.0, f64::exp_m1;
        Log, 1.0, f64::ln;
        Log1p, 1.0, f64::ln_1p;
        Sin, 1.0, f64::sin;
        Cos, 1.0, f64::cos;
        Tanh, 1.0, f64::tanh;
        Sigmoid, 2.0, |x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
        Silu, 4.0, |x| if x < -754.0 { -0.0 } else { times_sigmoid(x, x) };
        Softplus = Softplus { beta: 1.0, threshold: f64::INFINITY }, 2.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p();
        Erf, 12.0, erf;
        Gelu, 2000.0, |x| if x < -40.0 { -0.0 } else { 0.5 * x * erfc(-x * std::f64::consts::FRAC_1_SQRT_2, x * x * 0.5, x.mul_add(x, -(x * x)) * 0.5) };
        GeluTanh, 4000.0, |x| if x < -22.0 { -0.0 } else { times_sigmoid(x, 2.0 * (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)) };
    }
}

/// `x` times the sigmoid of `u`; the exponential in two halves, so that the product loses nothing to underflow.
fn times_sigmoid(x: f64, u: f64) -> f64 {
    if u < 0.0 { (x * (u / 2.0).exp()) / (1.0 + u.exp()) * (u / 2.0).exp() } else { x / (1.0 + (-u).exp()) }
}

/// The series of all positive terms.
fn erf(x: f64) -> f64 {
    if x.abs() > 30.0 {
        return 1f64.copysign(x);
    }
    if x.abs() > 2.0 {
        return (1.0 - erfc(x.abs(), x * x, x.mul_add(x, -(x * x)))).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..60 {
        term *= 2.0 * x * x / (2 * n + 1) as f64;
        sum += term;
    }
    sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI
}

/// Of `x`, whose square is `square + low`: a continued fraction.
fn erfc(x: f64, square: f64, low: f64) -> f64 {
    if x > 30.0 {
        return 0.0;
    }
    if x < 0.0 {
        return 2.0 - erfc(-x, square, low);
    }
    if x <= 2.0 {
        return 1.0 - erf(x);
    }
    let fraction = (1..120).rev().fold(x, |tail, k| x + k as f64 * 0.5 / tail);
    let half = (-square / 2.0).exp();
    half * ((1.0 - low) / (fraction * std::f64::consts::PI.sqrt())) * half
}

/// Checks all formulas at all levels on some arguments; tells of every failure.
fn check<T: FloatElem + std::fmt::LowerExp>(
    arguments: &[T],
    widen: fn(T) -> f64,
    ulps: fn(f64, f64) -> f64,
    bits: fn(T) -> u64,
    pick: fn(&Subject) -> (f64, Run<T>),
    failures: &mut Vec<String>,
) {
    for s in subjects() {
        let (bound, run) = pick(&s);
        let truths: Vec<f64> = arguments.iter().map(|&x| (s.truth)(widen(x))).collect();
        let mut first: Option<Vec<T>> = None;
        for level in available() {
            let y = with_level(level, || run(arguments));
            let mut worst = (0.0, 0);
            for (i, (&y, &truth)) in y.iter().zip(&truths).enumerate() {
                let error = ulps(widen(y), truth);
                if error > worst.0 {
                    worst = (error, i);
                }
            }
            println!("{:9} {level:9} {:.3} ulp at {:e} (bound {bound})", s.name, worst.0, arguments[worst.1]);
            // The portable level rounds products and sums apart.
            let slack = if level == Level::Portable { 0.6 * bound + 0.5 } else { 0.0 };
            if worst.0 > bound + slack {
                let (x, y) = (arguments[worst.1], y[worst.1]);
                let truth = truths[worst.1];
                failures.push(format!("{} {level}: {} ulp at {x:e}: {y:e} not {truth:e}", s.name, worst.0));
            }
            if level != Level::Portable {
                let first = first.get_or_insert_with(|| y.clone());
                let same = |a: T, b: T| bits(a) == bits(b) || (widen(a).is_nan() && widen(b).is_nan());
                assert!(first.iter().zip(&y).all(|(&a, &b)| same(a, b)), "{}: other bits at {level}", s.name);
            }
        }
    }
}

fn check_f32(arguments: &[f32], failures: &mut Vec<String>) {
    let ulps = |got, want| ulps(got, want, 23, -126);
    check(arguments, f64::from, ulps, |x| x.to_bits().into(), |s| (s.bound, s.f32), failures);
}

#[test]
fn f32_stays_within_the_stated_bounds() {
    let mut x: Vec<f32> = (0..=u32::MAX).step_by(16_381).map(f32::from_bits).collect();
    // Most of the patterns are tiny or huge: look at the middle more closely.
    x.extend((-100_000..100_000).map(|i| i as f32 * 1.7e-4));
    x.extend((-80_000..80_000).map(|i| i as f32 * 1.37e-3));
    x.extend([0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE, f32::MAX]);
    let mut failures = Vec::new();
    check_f32(&x, &mut failures);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
#[ignore = "every f32, minutes"]
fn every_f32_stays_within_the_stated_bounds() {
    let mut failures = Vec::new();
    for block in 0..1u32 << 8 {
        let x: Vec<f32> = (0..1 << 24).map(|i| f32::from_bits(block << 24 | i)).collect();
        check_f32(&x, &mut failures);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn f64_stays_within_the_stated_bounds() {
    let mut x: Vec<f64> =
        (0..100_000u64).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    x.extend((-50_000..50_000).map(|i| i as f64 * 6.6e-4));
    x.extend((-25_000..25_000).map(|i| i as f64 * 3.2e-2));
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
    let ulps = |got, want| ulps(got, want, 52, -1022);
    let mut failures = Vec::new();
    check(&x, |x| x, ulps, f64::to_bits, |s| (s.bound_f64 + s.doubt, s.f64), &mut failures);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn powers_follow_c() {
    let bases: Vec<f64> = (0..400)
        .map(|i| 1.07f64.powi(i - 200) + 1e-3 * (i % 7) as f64)
        .chain((-30..30).map(f64::from))
        .collect();
    let edges = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.0,
        3.0,
        -3.0,
        1e-40,
        1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for &x in bases.iter().chain(&edges) {
        for y in (-150..150).map(|i| i as f64 * 0.373).chain((-9..9).map(f64::from)).chain(edges) {
            pairs.push((x, y));
        }
    }
    // Far beyond the largest and the smallest.
    for y in [24, 31, 40, 52, 60, 300].map(|k| 2f64.powi(k)) {
        pairs.extend([3.0, 0.7, 1.5, -2.0, 1e10].into_iter().flat_map(|x| [(x, y), (x, -y)]));
    }
    fn run<T: FloatElem>(x: &[T], y: &[T]) -> Vec<T> {
        let mut z = x.to_vec();
        let out = Out { ptr: z.as_mut_ptr(), strides: &[1] };
        // SAFETY: the slices are of one length.
        unsafe {
            let (a, b) = (In { ptr: x.as_ptr(), strides: &[1] }, In { ptr: y.as_ptr(), strides: &[1] });
            float(Pow, &[x.len()], [a, b], out);
        }
        z
    }
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (x32, y32): (Vec<f32>, Vec<f32>) = pairs.iter().map(|&(x, y)| (x as f32, y as f32)).unzip();
    for level in available() {
        with_level(level, || {
            let slack = if level == Level::Portable { 0.6 } else { 0.0 };
            let (z, z32) = (run(&x, &y), run(&x32, &y32));
            let (mut worst, mut worst32) = (0.0f64, 0.0f64);
            for i in 0..x.len() {
                let error = ulps(z[i], x[i].powf(y[i]), 52, -1022);
                assert!(
                    error <= Pow::ULP_F64 + 1.0 + slack,
                    "{level}: {}^{} is {} ({error} ulp)",
                    x[i],
                    y[i],
                    z[i]
                );
                let truth = (x32[i] as f64).powf(y32[i].into());
                let error32 = ulps(z32[i].into(), truth, 23, -126);
                assert!(
                    error32 <= Pow::ULP + slack,
                    "{level}: {}^{} is {}, not {truth} ({error32} ulp)",
                    x32[i],
                    y32[i],
                    z32[i]
                );
                (worst, worst32) = (worst.max(error), worst32.max(error32));
            }
            println!("Pow {level} {worst32:.3} ulp, f64 {worst:.3} ulp");
        });
    }
}

#[test]
fn f64_agrees_with_tables_of_many_digits() {
    for level in available() {
        with_level(level, || {
            let slack = if level == Level::Portable { 3.0 } else { 0.0 };
            let near = |name: &str, x: f64, got: f64, want: f64, bound: f64| {
                let error = ulps(got, want, 52, -1022);
                assert!(error <= bound + slack, "{level}: {name}({x}) is {got}, not {want}: {error} ulp");
            };
            for [x, e, g, t] in TABLE {
                near("erf", x, apply(Erf, &[x])[0], e, Erf::ULP_F64);
                near("gelu", x, apply(Gelu, &[x])[0], g, Gelu::ULP_F64);
                near("gelu_tanh", x, apply(GeluTanh, &[x])[0], t, GeluTanh::ULP_F64);
            }
            for [x, s, c] in HUGE {
                near("sin", x, apply(Sin, &[x])[0], s, Sin::ULP_F64);
                near("cos", x, apply(Cos, &[x])[0], c, Cos::ULP_F64);
            }
        });
    }
}

/// Results may not depend on the machine either: a digest of many, written down once.
#[test]
fn bits_are_the_same_on_every_machine() {
    let x32: Vec<f32> = (0..=u32::MAX)
        .step_by(65_521)
        .map(f32::from_bits)
        .chain((-4000..4000).map(|i| i as f32 * 0.0137))
        .collect();
    let x64: Vec<f64> = (0..50_000u64)
        .map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .chain((-4000..4000).map(|i| i as f64 * 0.0137))
        .collect();
    for level in available().filter(|&level| level != Level::Portable) {
        let mut digest = 0xcbf2_9ce4_8422_2325u64;
        let mut take = |bits: u64| digest = (digest ^ bits).wrapping_mul(0x100_0000_01b3);
        with_level(level, || {
            for s in subjects() {
                (s.f32)(&x32).into_iter().for_each(|y| take(if y.is_nan() { 1 } else { y.to_bits().into() }));
                (s.f64)(&x64).into_iter().for_each(|y| take(if y.is_nan() { 1 } else { y.to_bits() }));
            }
        });
        assert_eq!(digest, DIGEST, "{level}: {digest:#x}");
    }
}

/// Changes with any formula: then see that every level and machine gives the same new one.
const DIGEST: u64 = 0x30c7_80e6_fcd6_148e;

/// The fused gradients against the difference quotient of their formulas.
#[test]
fn gradients_are_slopes() {
    fn slope<F: Formula<1>, G: Formula<2>>(name: &str, f: F, grad: G, of_output: bool) {
        let x: Vec<f64> =
            (-60..60).map(|i| i as f64 * 0.13 + 0.017).filter(|&x| name != "log" || x > 0.5).collect();
        let y = apply(f, &x);
        let h = 1e-5;
        let up = apply(f, &x.iter().map(|x| x + h).collect::<Vec<_>>());
        let down = apply(f, &x.iter().map(|x| x - h).collect::<Vec<_>>());
        let g = vec![1.25; x.len()];
        let mut got = g.clone();
        let first = if of_output { &y } else { &x };
        // SAFETY: the slices are of one length.
        unsafe {
            let operands = [first, &g].map(|v| In { ptr: v.as_ptr(), strides: &[1] });
            float(grad, &[x.len()], operands, Out { ptr: got.as_mut_ptr(), strides: &[1] });
        }
        for i in 0..x.len() {
            let want = 1.25 * (up[i] - down[i]) / (2.0 * h);
            assert!((got[i] - want).abs() < 1e-7, "{name} at {}: {} not {want}", x[i], got[i]);
        }
        for [a, b] in [[f64::NAN, 1.0], [1.0, f64::NAN]] {
            let mut y = 0.0f64;
            let (a, b) = (In { ptr: &raw const a, strides: &[] }, In { ptr: &raw const b, strides: &[] });
            // SAFETY: scalars.
            unsafe { float(grad, &[], [a, b], Out { ptr: &mut y, strides: &[] }) };
            assert!(y.is_nan() || name == "relu", "{name} of NaN is {y}");
        }
    }
    let soft = (2.0, 3.0);
    slope("tanh", Tanh, TanhGrad, true);
    slope("sigmoid", Sigmoid, SigmoidGrad, true);
    slope("relu", Relu, ReluGrad, true);
    slope("log", Log, LogGrad, false);
    slope("gelu", Gelu, GeluGrad, false);
    slope("gelu_tanh", GeluTanh, GeluTanhGrad, false);
    slope("silu", Silu, SiluGrad, false);
    let f = Softplus { beta: soft.0, threshold: soft.1 };
    slope("softplus", f, SoftplusGrad { beta: soft.0, threshold: soft.1 }, false);
}

/// The fused gradients of `f32` against those of `f64`.
#[test]
fn gradients_of_f32_follow_those_of_f64() {
    fn grad<T: FloatElem, F: Formula<2>>(f: F, x: &[T], g: &[T]) -> Vec<T> {
        let mut y = g.to_vec();
        let operands = [x, g].map(|v| In { ptr: v.as_ptr(), strides: &[1] });
        // SAFETY: the slices are of one length.
        unsafe { float(f, &[x.len()], operands, Out { ptr: y.as_mut_ptr(), strides: &[1] }) };
        y
    }
    fn check<F: Formula<2>>(name: &str, f: F) {
        let x: Vec<f32> = (-160_000..160_000).map(|i| i as f32 * 7.9e-5).collect();
        let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        let want = grad(f, &wide, &vec![1.0; x.len()]);
        for level in available() {
            let got = with_level(level, || grad(f, &x, &vec![1.0f32; x.len()]));
            for i in 0..x.len() {
                // In the middle the derivative crosses zero, as a difference of two parts.
                let least = if x[i].abs() < 3.0 { 0.1 } else { 1e-32 };
                let error = (f64::from(got[i]) - want[i]).abs() / want[i].abs().max(least);
                assert!(error < 1e-6, "{level}: {name} at {}: {} not {}", x[i], got[i], want[i]);
            }
            let ends = [f32::NEG_INFINITY, f32::INFINITY, -3e38, 3e38];
            let got = with_level(level, || grad(f, &ends, &[1.0; 4]));
            assert!(got.iter().zip([0.0, 1.0, 0.0, 1.0]).all(|(&got, want)| got == want), "{name} {got:?}");
        }
    }
    check("gelu", GeluGrad);
    check("gelu_tanh", GeluTanhGrad);
    check("silu", SiluGrad);
}

/// `x`, `erf(x)`, `gelu(x)`, `gelu_tanh(x)`, by mpmath with 60 digits.
const TABLE: [[f64; 4]; 100] = [
    [0.001, 0.0011283787909692365, 0.000500398942213911, 0.000500398942213582],
    [0.3, 0.3286267594591274, 0.1853734266566858, 0.18537092354275925],
    [-0.49, -0.511668261188523, -0.15291280521452136, -0.1529288040010299],
    [0.51, 0.5292436198411704, 0.3544368772422651, 0.3544183736682525],
    [-0.75, -0.7111556336535151, -0.16997051428265114, -0.1700394448343797],
    [0.99, 0.8385080695553698, 0.8305238110842774, 0.8303745776690805],
    [1.01, 0.8468104962282768, 0.8521898785285329, 0.852033618775676],
    [-1.7, -0.9837904585907745, -0.07576128668952317, -0.07589410444884384],
    [2.5, 0.999593047982555, 2.4844758366855597, 2.484915733910001],
    [-3.3, -0.9999969422902035, -0.0015952996698664658, -0.0013112281183358045],
    [4.0, 0.9999999845827421, 3.9998733150326675, 3.9999297540518075],
    [5.5, 0.9999999999999927, 5.499999895557407, 5.499999994072359],
    [-6.25, -1.0, -1.2826646407618368e-09, -7.920355792295742e-12],
    [-8.1, -1.0, -2.225847107842565e-15, -6.7001593373893025e-22],
    [-11.7, -1.0, -7.456029651352807e-31, -2.1247179515168302e-57],
    [-15.3, -1.0, -5.848932289972379e-52, -3.906386269708258e-121],
    [-21.2, -1.0, -1.012262406123757e-98, -2.327201975281056e-309],
    [-27.9, -1.0, -3.72194620841391e-170, -0.0],
    [-33.3, -1.0, -6.428583334739707e-242, -0.0],
    [-37.6, -1.0, -4.041290298447291e-308, -0.0],
    [0.125, 0.1403162048013338, 0.06871727810376412, 0.06871719862422339],
    [1e-09, 1.1283791670955127e-09, 5.000000003989423e-10, 5.000000003989423e-10],
    [-1e-300, -1.1283791670955126e-300, -5e-301, -5e-301],
    [9.5, 1.0, 9.5, 9.5],
    [-38.2, -1.0, -5.378646e-318, -0.0],
    [-37.59, -1.0, -5.88562917547893e-308, -0.0],
    [-36.98, -1.0, -4.439266945837877e-298, -0.0],
    [-36.37, -1.0, -2.307959237704366e-288, -0.0],
    [-35.76, -1.0, -8.270723071290807e-279, -0.0],
    [-35.15, -1.0, -2.0429477476769374e-269, -0.0],
    [-34.54, -1.0, -3.478319169098664e-260, -0.0],
    [-33.93, -1.0, -4.0820653012599e-251, -0.0],
    [-33.32, -1.0, -3.3020889065973898e-242, -0.0],
    [-32.71, -1.0, -1.8411781763902888e-233, -0.0],
    [-32.1, -1.0, -7.076215609721778e-225, -0.0],
    [-31.49, -1.0, -1.8745818714622853e-216, -0.0],
    [-30.88, -1.0, -3.422991440371543e-208, -0.0],
    [-30.27, -1.0, -4.308292481163046e-200, -0.0],
    [-29.66, -1.0, -3.73768263497688e-192, -0.0],
    [-29.05, -1.0, -2.2351025188133454e-184, -0.0],
    [-28.44, -1.0, -9.212768265195834e-177, -0.0],
    [-27.83, -1.0, -2.617462097791992e-169, -0.0],
    [-27.22, -1.0, -5.125875797095739e-162, -0.0],
    [-26.61, -1.0, -6.919154547218167e-155, -0.0],
    [-26.0, -1.0, -6.437764620308812e-148, -0.0],
    [-25.39, -1.0, -4.1287071733011275e-141, -0.0],
    [-24.78, -1.0, -1.825113121583922e-134, -0.0],
    [-24.17, -1.0, -5.561116287668837e-128, -0.0],
    [-23.56, -1.0, -1.167966495989489e-121, -0.0],
    [-22.95, -1.0, -1.690809628915882e-115, -0.0],
    [-22.34, -1.0, -1.6871535820119414e-109, -0.0],
    [-21.73, -1.0, -1.1604053267335209e-103, -0.0],
    [-21.12, -1.0, -5.501226841549298e-98, -5.63228118694643e-306],
    [-20.51, -1.0, -1.7976437345810102e-92, -5.405369055563927e-281],
    [-19.9, -1.0, -4.048939985477632e-87, -1.975041376398887e-257],
    [-19.29, -1.0, -6.285965770377915e-82, -3.0277249892053923e-235],
    [-18.68, -1.0, -6.726588275653782e-77, -2.1459681844765287e-214],
    [-18.07, -1.0, -4.961453341221429e-72, -7.74945912763614e-195],
    [-17.46, -1.0, -2.5223951036127504e-67, -1.5712034483191907e-176],
    [-16.85, -1.0, -8.839061665446202e-63, -1.9709455921299886e-159],
    [-16.24, -1.0, -2.1349441771291073e-58, -1.685630545961975e-143],
    [-15.63, -1.0, -3.554285917595005e-54, -1.0830675977975465e-128],
    [-15.02, -1.0, -4.07850940217695e-50, -5.761144983988921e-115],
    [-14.41, -1.0, -3.2257534580920956e-46, -2.7955721064558226e-102],
    [-13.8, -1.0, -1.7584831407994413e-42, -1.3635865154555436e-90],
    [-13.19, -1.0, -6.607216913306986e-39, -7.366782334999512e-80],
    [-12.58, -1.0, -1.7110679420673836e-35, -4.857123444533508e-70],
    [-11.97, -1.0, -3.054063276224552e-32, -4.306233985855537e-61],
    [-11.36, -1.0, -3.7570154522827715e-29, -5.656265465301657e-53],
    [-10.75, -1.0, -3.1853119439514353e-26, -1.2127028276717441e-45],
    [-10.14, -1.0, -1.8611948786939745e-23, -4.675502979798705e-39],
    [-9.53, -1.0, -7.494545893428641e-21, -3.570928989380003e-33],
    [-8.92, -1.0, -2.0796454202445973e-18, -5.951248162273821e-28],
    [-8.31, -1.0, -3.976421133688372e-16, -2.3837437868950405e-23],
    [-7.7, -1.0, -5.2385498863959505e-14, -2.5271356873631426e-19],
    [-7.09, -1.0, -4.754270412137116e-12, -7.807837864315309e-16],
    [-6.48, -1.0, -2.971812834651771e-10, -7.738863598641619e-13],
    [-5.87, -0.9999999999999999, -1.2790587336462475e-08, -2.707898186165904e-10],
    [-5.26, -0.9999999999998984, -3.7886570625880953e-07, -3.679170491005277e-08],
    [-4.65, -0.999999999951703, -7.717489421327295e-06, -2.133380176589675e-06],
    [-4.04, -0.9999999889273877, -0.00010797142690674802, -5.795979521263188e-05],
    [-3.43, -0.9999987700606605, -0.0010351418424076257, -0.0008082915618654821],
    [-2.82, -0.9999333904272599, -0.006771334577213692, -0.006309124386984958],
    [-2.21, -0.9982244379759344, -0.029951204333588163, -0.029677358594634384],
    [-1.6, -0.976348383344644, -0.08767886671929279, -0.0878630378556385],
    [-0.99, -0.8385080695553698, -0.1594761889157226, -0.1596254223309195],
    [-0.38, -0.409009453419694, -0.13374962887881814, -0.13375582855643658],
    [0.23, 0.2550225995922732, 0.13591944648266135, 0.13591855885104054],
    [0.84, 0.7651427114549945, 0.6716184776612223, 0.6715215618298394],
    [1.45, 0.9596950256374592, 1.3433825735660099, 1.3431551866677907],
    [2.06, 0.996423461789696, 2.0194195029566835, 2.019569494721808],
    [2.67, 0.9998406011688324, 2.6598738585316797, 2.6603464196449296],
    [3.28, 0.9999964925755764, 3.278297563779081, 3.278590677025894],
    [3.89, 0.9999999622979134, 3.889805024988225, 3.889882536566811],
    [4.5, 0.9999999998033839, 4.4999847104709385, 4.499994863262588],
    [5.11, 0.9999999999995048, 5.109999176884235, 5.109999892336582],
    [5.72, 0.9999999999999994, 5.71999996953412, 5.719999999014459],
    [6.33, 1.0, 6.329999999224065, 6.3299999999964145],
    [6.94, 1.0, 6.939999999986394, 6.939999999999996],
    [7.55, 1.0, 7.5499999999998355, 7.55],
];

/// `x`, `sin(x)`, `cos(x)`, by mpmath with 400 digits.
const HUGE: [[f64; 3]; 10] = [
    [100000.5, -0.4477465716572126, -0.8941605043666447],
    [123456.789, -0.9986640823432246, 0.05167253271870138],
    [330000000.0, 0.9826683783997854, 0.1853722149976536],
    [1000000001.0, 0.9999782260403473, -0.00659904881026388],
    [5.319372648326541e+255, 1.0, -4.687165924254628e-19],
    [1e+22, -0.8522008497671888, 0.523214785395139],
    [1.7e+308, -0.5952560848632077, 0.803536056087918],
    [1.0715086071862673e+301, -0.15920170308624243, 0.9872460775989135],
    [-5000000000000000.0, 0.901711760523585, -0.432337716297638],
    [3145728.0, 0.8470860211842591, 0.5314558050432989],
];
