//! Known answers, the same numbers everywhere, and that they are distributed as they should be.
use super::block::rounds;
use super::*;
use crate::operand::{In, Out};
use crate::pool::set_num_threads;
use crate::simd::{
    Float, FloatElem, IntVec, Kernel, Level, Simd, WordVec, available, dispatch_at, with_level,
};
use half::{bf16, f16};

struct Known([u32; 4], [u32; 2]);

impl Kernel for Known {
    type Output = [u32; 4];
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [u32; 4] {
        let c = self.0.map(|c| S::U32::splat(simd, c.into()));
        rounds::<S>(c, self.1).map(|word| {
            let mut lanes = [0; 16];
            // SAFETY: the array holds the widest vector.
            unsafe { word.store(lanes.as_mut_ptr()) };
            lanes[0]
        })
    }
}

/// From the vectors distributed with the paper's library, Random123.
#[test]
fn known_answers() {
    for level in available() {
        let zeros = dispatch_at(level, Known([0; 4], [0; 2]));
        assert_eq!(zeros, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = dispatch_at(level, Known([u32::MAX; 4], [u32::MAX; 2]));
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = Known([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(dispatch_at(level, pi), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }
}

/// Everything that can be drawn, as bits.
fn draws(n: usize) -> Vec<Vec<u64>> {
    let (seed, offset) = (0x1234_5678_9abc_def0, u32::MAX as u64 - 5);
    let mut all = Vec::new();
    macro_rules! take {
        ($ty:ty, $zero:expr, $bits:expr, |$y:ident| $draw:expr) => {{
            let mut values: Vec<$ty> = vec![$zero; n];
            let $y = values.as_mut_ptr();
            // SAFETY: n elements.
            unsafe { $draw };
            all.push(values.into_iter().map($bits).collect());
        }};
    }
    let bits32 = |x: f32| u64::from(x.to_bits());
    take!(f32, 0.0, bits32, |y| uniform(seed, offset, -1.0, 2.0, n, y));
    take!(f64, 0.0, f64::to_bits, |y| uniform(seed, offset, -1.0, 2.0, n, y));
    take!(bf16, bf16::ZERO, |x| x.to_bits().into(), |y| uniform(seed, offset, 0.0, 1.0, n, y));
    take!(f32, 0.0, bits32, |y| normal(seed, offset, 0.5, 2.0, n, y));
    take!(f64, 0.0, f64::to_bits, |y| normal(seed, offset, 0.5, 2.0, n, y));
    take!(u32, 0, u64::from, |y| bits(seed, offset, n, y));
    take!(i64, 0, |x| x as u64, |y| randint(seed, offset, -3, 1000, n, y));
    let x = vec![1.5f32; n];
    take!(f32, 0.0, bits32, |y| dropout(
        seed,
        offset,
        0.3,
        &[n],
        In { ptr: x.as_ptr(), strides: &[1] },
        Out { ptr: y, strides: &[1] }
    ));
    all
}

#[test]
fn same_numbers_at_every_level_thread_count_and_length() {
    let n = 40_000;
    let mut want: Option<Vec<Vec<u64>>> = None;
    for level in available() {
        for threads in [1, 2, 3] {
            set_num_threads(threads);
            let got = with_level(level, || draws(n));
            // The portable level rounds twice in the polynomials of the normal numbers.
            if level == Level::Portable {
                continue;
            }
            assert!(*want.get_or_insert_with(|| got.clone()) == got, "{level}, {threads} threads");
        }
    }
    set_num_threads(0);
    let long = draws(n);
    for n in [0, 1, 3, 31, 33, 64, 100] {
        for (short, long) in draws(n).iter().zip(&long) {
            assert_eq!(short[..], long[..n]);
        }
    }
}

#[test]
fn distributions_have_their_moments() {
    let n = 1 << 20;
    let (mut u, mut z) = (vec![0f32; n], vec![0f64; n]);
    let mut z32 = vec![0f32; n];
    // SAFETY: n elements.
    unsafe {
        uniform(1, 0, 2.0, 4.0, n, u.as_mut_ptr());
        normal(1, counters_used(n), 0.0, 1.0, n, z.as_mut_ptr());
        normal(1, 2 * counters_used(n), 0.0, 1.0, n, z32.as_mut_ptr());
    }
    assert!(u.iter().all(|&x| (2.0..4.0).contains(&x)));
    let moment = |x: &[f64], k: i32| x.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
    let u: Vec<f64> = u.into_iter().map(f64::from).collect();
    assert!((moment(&u, 1) - 3.0).abs() < 4e-3 && (moment(&u, 2) - 28.0 / 3.0).abs() < 0.03);
    for z in [z, z32.into_iter().map(f64::from).collect()] {
        let want = [(1, 0.0, 0.01), (2, 1.0, 0.01), (3, 0.0, 0.03), (4, 3.0, 0.06)];
        for (k, value, error) in want {
            assert!((moment(&z, k) - value).abs() < error, "moment {k}: {}", moment(&z, k));
        }
        // Neighbours, and the two of a pair, are independent.
        for lag in [1, 16, 32] {
            let c = z.iter().zip(&z[lag..]).map(|(a, b)| a * b).sum::<f64>() / n as f64;
            assert!(c.abs() < 0.01, "lag {lag}: {c}");
        }
        assert!(z.iter().all(|z| z.is_finite() && z.abs() < 10.0));
    }
}

#[test]
fn the_end_of_a_range_is_not_drawn() {
    fn check<T: FloatElem>(low: f64, high: f64, zero: T) {
        let mut y = vec![zero; 1 << 18];
        // SAFETY: as many elements.
        unsafe { uniform(1, 0, low, high, y.len(), y.as_mut_ptr()) };
        let low = T::narrow(T::Compute::from_f64(low)).widen().to_f64();
        assert!(y.iter().all(|y| (low..high).contains(&y.widen().to_f64())), "{low} to {high}");
    }
    for (low, high) in [(0.0, 1.0), (0.0, 3.0), (-2.0, -1.0), (-1.0, 0.0), (5.0, 5.3), (-0.1, 1e-3)] {
        check(low, high, bf16::ZERO);
        check(low, high, f16::ZERO);
        check(low, high, 0f32);
        check(low, high, 0f64);
    }
    let (mut one, mut two) = ([f16::ZERO; 9], [bf16::ZERO; 9]);
    // SAFETY: as many elements.
    unsafe {
        uniform(1, 0, 2.0, 2.0, 9, one.as_mut_ptr());
        uniform(1, 0, -1.0, -1.0, 9, two.as_mut_ptr());
    }
    assert!(one.iter().all(|x| x.to_f32() == 2.0) && two.iter().all(|x| x.to_f32() == -1.0));
}

#[test]
fn integers_cover_their_range() {
    let mut y = vec![0i64; 10_000];
    // SAFETY: as many elements.
    unsafe { randint(3, 7, -2, 3, y.len(), y.as_mut_ptr()) };
    for value in -2..3 {
        let count = y.iter().filter(|&&y| y == value).count();
        assert!((1800..2200).contains(&count), "{value}: {count}");
    }
    assert!(y.iter().all(|y| (-2..3).contains(y)));
    // SAFETY: as above.
    unsafe { randint(3, 7, i64::MIN, i64::MAX, y.len(), y.as_mut_ptr()) };
    assert!(y.iter().any(|&y| y < 0) && y.iter().any(|&y| y > 0));
}

#[test]
fn dropout_goes_by_logical_position() {
    let (rows, columns) = (37, 29);
    let x: Vec<f64> = (0..rows * columns).map(|i| i as f64 + 1.0).collect();
    let transposed: Vec<f64> = (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect();
    let (mut a, mut b) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let plain = [columns as isize, 1];
    // SAFETY: the buffers hold rows by columns elements.
    unsafe {
        let shape = [rows, columns];
        let y = Out { ptr: a.as_mut_ptr(), strides: &plain };
        dropout(9, 1, 0.25, &shape, In { ptr: x.as_ptr(), strides: &plain }, y);
        let y = Out { ptr: b.as_mut_ptr(), strides: &plain };
        dropout(9, 1, 0.25, &shape, In { ptr: transposed.as_ptr(), strides: &[1, rows as isize] }, y);
    }
    assert_eq!(a, b);
    let kept = a.iter().filter(|&&y| y != 0.0).count() as f64 / a.len() as f64;
    assert!((kept - 0.75).abs() < 0.05, "{kept}");
    assert!(a.iter().zip(&x).all(|(y, x)| *y == 0.0 || *y == x * (1.0 / 0.75)));
    for (p, all) in [(0.0, true), (1.0, false)] {
        let nan = [f64::NAN; 5];
        let mut y = [7.0; 5];
        // SAFETY: five elements.
        unsafe {
            let x = In { ptr: nan.as_ptr(), strides: &[1] };
            dropout(9, 1, p, &[5], x, Out { ptr: y.as_mut_ptr(), strides: &[1] });
        }
        assert!(y.iter().all(|y| if all { y.is_nan() } else { *y == 0.0 }), "p = {p}: {y:?}");
    }
}
