//! Every walk against elements computed one by one, at every level.
mod adjacent;

use super::*;
use crate::formula;
use crate::operand::{In, Out};
use crate::pool::set_num_threads;
use crate::simd::{FloatElem, available, with_level};
use crate::testing::everywhere;
use half::{bf16, f16};
use std::fmt::Debug;

/// A small generator: tests need variety, not quality.
struct Lcg(u64);
impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

/// Strides for `shape` in a buffer of the returned length, and where the first element is: dimensions in any order,
/// with gaps, reversed or (for inputs) repeated.
fn layout(rng: &mut Lcg, shape: &[usize], input: bool, plain: bool) -> (Vec<isize>, usize, usize) {
    let mut order: Vec<usize> = (0..shape.len()).collect();
    if !plain {
        for i in 1..order.len() {
            order.swap(i, rng.below(i + 1));
        }
    }
    let (mut strides, mut step, mut start) = (vec![0; shape.len()], 1, 0);
    for &d in order.iter().rev() {
        if input && rng.below(5) == 0 {
            continue;
        }
        if !plain && rng.below(4) == 0 {
            step *= 2;
        }
        strides[d] = step as isize;
        if !plain && shape[d] > 0 && rng.below(5) == 0 {
            strides[d] = -strides[d];
            start += step * (shape[d] - 1);
        }
        step *= shape[d].max(1);
    }
    (strides, start, step + 1)
}

fn offsets(shape: &[usize], strides: &[isize]) -> Vec<isize> {
    let mut all = vec![0];
    for (&n, &s) in shape.iter().zip(strides) {
        all = all.iter().flat_map(|&at| (0..n as isize).map(move |i| at + i * s)).collect();
    }
    all
}

/// Runs `kernel` on random layouts and compares with `single`, which computes one element.
fn walks<A: Copy + Debug, C: Copy + Debug, B: Copy + Debug + PartialEq, const N: usize>(
    value: impl Fn(usize) -> A,
    cond: impl Fn(usize) -> C,
    blank: B,
    kernel: impl Fn(&[usize], In<C>, [In<A>; N], Out<B>),
    single: impl Fn(C, [A; N]) -> B,
) {
    let mut rng = Lcg(7);
    let shapes: &[&[usize]] = &[
        &[],
        &[1],
        &[4],
        &[0],
        &[3, 0, 2],
        &[7],
        &[64],
        &[65],
        &[1000],
        &[3, 5],
        &[16, 33],
        &[5, 1, 40],
        &[2, 3, 4, 5],
        &[70, 3],
        &[3, 70],
        &[2, 1, 3, 1, 2, 2, 1, 3],
        &[700, 2],
    ];
    for level in available() {
        for &shape in shapes {
            for round in 0..12 {
                let plain = round < 4;
                let inputs: [_; N] = std::array::from_fn(|_| layout(&mut rng, shape, round != 0, plain));
                let c = layout(&mut rng, shape, round != 0, plain);
                let y = layout(&mut rng, shape, false, plain);
                let data: [Vec<A>; N] =
                    std::array::from_fn(|k| (0..inputs[k].2).map(|i| value(i * 7 + k)).collect());
                let conds: Vec<C> = (0..c.2).map(&cond).collect();
                let mut got = vec![blank; y.2];
                let mut want = got.clone();
                let at: [_; N] = std::array::from_fn(|k| offsets(shape, &inputs[k].0));
                let (c_at, y_at) = (offsets(shape, &c.0), offsets(shape, &y.0));
                for i in 0..y_at.len() {
                    let x = std::array::from_fn(|k| data[k][(inputs[k].1 as isize + at[k][i]) as usize]);
                    want[(y.1 as isize + y_at[i]) as usize] =
                        with_level(level, || single(conds[(c.1 as isize + c_at[i]) as usize], x));
                }
                with_level(level, || {
                    kernel(
                        shape,
                        In { ptr: conds[c.1..].as_ptr(), strides: &c.0 },
                        std::array::from_fn(|k| In {
                            ptr: data[k][inputs[k].1..].as_ptr(),
                            strides: &inputs[k].0,
                        }),
                        Out { ptr: got[y.1..].as_mut_ptr(), strides: &y.0 },
                    )
                });
                assert_eq!(got, want, "{level} {shape:?} {inputs:?} {y:?}");
            }
        }
    }
}

/// One element, by the kernel itself: so bits may not depend on the place.
fn alone<T: FloatElem, F: Formula<N>, const N: usize>(f: F, x: [T; N], blank: T) -> T {
    let mut y = blank;
    // SAFETY: scalars.
    unsafe {
        float(f, &[], x.each_ref().map(|x| In { ptr: x, strides: &[] }), Out { ptr: &mut y, strides: &[] })
    };
    y
}

fn float_walks<T: FloatElem + Debug + PartialEq, F: Formula<N>, const N: usize>(f: F, of: fn(f32) -> T) {
    walks(
        |i| of((i % 97) as f32 * 0.37 - 11.0),
        |_| 0u8,
        of(0.0),
        // SAFETY: the layouts stay within their buffers.
        |shape, _, x, y| unsafe { float(f, shape, x, y) },
        |_, x| alone(f, x, of(0.0)),
    );
}

#[derive(Clone, Copy)]
struct Three;
impl Formula<3> for Three {
    #[inline(always)]
    fn eval<V: FloatVec>(self, [a, b, c]: [V; 3]) -> V {
        a.fma(b, c)
    }
}

#[test]
fn floats_walk_anywhere() {
    float_walks(formula::Add, |x| x);
    float_walks(formula::Tanh, |x| x);
    float_walks(formula::Exp, f64::from);
    float_walks(formula::Sub, f64::from);
    float_walks(formula::Sub, bf16::from_f32);
    float_walks(formula::Mul, f16::from_f32);
    float_walks(Three, |x| x);
    float_walks(Three, bf16::from_f32);
}

#[test]
fn arithmetic_is_the_processors() {
    for level in available() {
        with_level(level, || {
            for a in [0.0f32, -1.5, 1e-40, 3e38, f32::INFINITY, f32::NAN, 0.1] {
                for b in [0.0f32, -0.0, 7.25, -3e38, 1e-45, f32::NEG_INFINITY, f32::NAN] {
                    let same =
                        |x: f32, y: f32| assert!(x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()));
                    same(alone(formula::Add, [a, b], 0.0), a + b);
                    same(alone(formula::Div, [a, b], 0.0), a / b);
                    same(alone(formula::Neg, [b], 0.0), -b);
                    let nan = a.is_nan() || b.is_nan();
                    assert!(alone(formula::Maximum, [a, b], 0.0) == a.max(b) || nan);
                    assert_eq!(alone(formula::Maximum, [a, b], 0.0).is_nan(), nan);
                    assert!(alone(formula::Minimum, [a, b], 0.0) == a.min(b) || nan);
                    assert_eq!(alone(formula::Minimum, [a, b], 0.0).is_nan(), nan);
                    same(alone(formula::Clamp { min: -1.0, max: 2.0 }, [a], 0.0), a.clamp(-1.0, 2.0));
                    let relu = alone(formula::Relu, [a], 0.0);
                    assert!(relu == a.max(0.0) || (a.is_nan() && relu.is_nan()));
                    let (x, y) = (bf16::from_f32(a), bf16::from_f32(b));
                    let sum = alone(formula::Add, [x, y], x);
                    assert!(sum == x + y || (sum.is_nan() && (x + y).is_nan()));
                }
            }
        });
    }
}

#[test]
fn remainders_follow_python() {
    for (a, b, want) in
        [(7.0, 3.0, 1.0), (-7.0, 3.0, 2.0), (7.0, -3.0, -2.0), (-7.0, -3.0, -1.0), (5.5, 2.0, 1.5)]
    {
        assert_eq!(alone(formula::Remainder, [a, b], 0.0f64), want);
        assert_eq!(alone(formula::FloorDiv, [a, b], 0.0f64), (a / b).floor());
    }
    // The rounded quotient is 10, and those of the last have more digits than a float.
    assert_eq!(alone(formula::FloorDiv, [1.0, 0.1], 0.0f64), 9.0);
    assert_eq!(alone(formula::FloorDiv, [-1.0, f64::INFINITY], 0.0), -1.0);
    assert_eq!(alone(formula::Remainder, [1e30, 7.0], 0.0f64), 1e30 % 7.0);
    assert_eq!(alone(formula::Remainder, [-1e30, 7.0], 0.0f64), 7.0 - 1e30 % 7.0);
    assert_eq!(alone(formula::Remainder, [-1.0, f64::INFINITY], 0.0), f64::INFINITY);
    assert_eq!(alone(formula::Remainder, [1.0, f64::INFINITY], 0.0), 1.0);
    for (a, b) in [(7i64, 3), (-7, 3), (7, -3), (-7, -3), (6, -3), (i64::MIN, -1), (5, 0)] {
        let (q, r) = (a.floor_div(b), a.remainder(b));
        if b != 0 {
            assert_eq!(q.wrapping_mul(b).wrapping_add(r), a);
            assert!(r == 0 || (r < 0) == (b < 0));
        }
    }
}

fn int_walks<T: IntElem + Debug>() {
    let value = |i: usize| T::from_i64(i as i64 * 37 - 1000);
    // SAFETY: the layouts stay within their buffers.
    walks(
        value,
        |_| 0u8,
        T::default(),
        |s, _, x, y| unsafe { int(formula::Mul, s, x, y) },
        |_, [a, b]| a.times(b),
    );
    // SAFETY: as above.
    walks(
        value,
        |_| 0u8,
        T::default(),
        |s, _, x, y| unsafe { int(formula::Sub, s, x, y) },
        |_, [a, b]| a.minus(b),
    );
    // SAFETY: as above.
    walks(
        value,
        |_| 0u8,
        T::default(),
        |s, _, x, y| unsafe { int(formula::Relu, s, x, y) },
        |_, [a]| a.max(T::default()),
    );
}

#[test]
fn integers_walk_anywhere() {
    int_walks::<i64>();
    int_walks::<i32>();
    int_walks::<u8>();
}

fn comparisons<T: Copy + PartialOrd + Debug>(value: impl Fn(usize) -> T + Copy) {
    // SAFETY: the layouts stay within their buffers.
    walks(
        value,
        |_| 0u8,
        9,
        |s, _, [a, b], y| unsafe { compare(formula::Lt, s, a, b, y) },
        |_, [a, b]| u8::from(a < b),
    );
    // SAFETY: as above.
    walks(
        value,
        |_| 0u8,
        9,
        |s, _, [a, b], y| unsafe { compare(formula::Ne, s, a, b, y) },
        |_, [a, b]| u8::from(a != b),
    );
}

#[test]
fn comparisons_walk_anywhere() {
    comparisons(|i| if i % 11 == 0 { f32::NAN } else { (i % 5) as f32 });
    comparisons(|i| (i % 5) as f64);
    comparisons(|i| bf16::from_f32((i % 5) as f32));
    comparisons(|i| (i % 5) as i64);
    comparisons(|i| (i % 5) as u8);
}

#[test]
fn selections_walk_anywhere() {
    fn check<T: Copy + Send + Sync + Debug + PartialEq>(value: impl Fn(usize) -> T + Copy) {
        let single = |c: u8, [a, b]: [T; 2]| if c != 0 { a } else { b };
        // SAFETY: the layouts stay within their buffers.
        walks(value, |i| (i % 3) as u8, value(0), |s, c, [a, b], y| unsafe { select(s, c, a, b, y) }, single);
    }
    check(|i| i as u8);
    check(|i| i as u16);
    check(|i| i as f32);
    check(|i| i as u64);
}

#[test]
fn large_and_in_place_on_several_threads() {
    let (rows, columns) = (311, 1009);
    let x: Vec<f32> = (0..rows * columns).map(|i| (i % 1013) as f32 * 0.01 - 5.0).collect();
    let bias: Vec<f32> = (0..columns).map(|i| i as f32).collect();
    let mut first: Option<Vec<Vec<f32>>> = None;
    for threads in [1, 2, 3] {
        set_num_threads(threads);
        for transposed in [false, true] {
            let strides = if transposed { [1, rows as isize] } else { [columns as isize, 1] };
            let mut results = vec![x.clone(), vec![0.0; x.len()]];
            let (inner, outer) = results.split_at_mut(1);
            // SAFETY: the buffers hold rows by columns elements, the bias columns.
            unsafe {
                let place = inner[0].as_mut_ptr();
                let y = Out { ptr: place, strides: &[1] };
                float(formula::Exp, &[x.len()], [In { ptr: place, strides: &[1] }], y);
                let a = In { ptr: x.as_ptr(), strides: &strides };
                let b = In { ptr: bias.as_ptr(), strides: &[0, 1] };
                let y = Out { ptr: outer[0].as_mut_ptr(), strides: &strides };
                float(formula::Add, &[rows, columns], [a, b], y);
            }
            for i in 0..rows {
                for j in [0, 1, columns - 1] {
                    let at = i * strides[0] as usize + j * strides[1] as usize;
                    assert_eq!(results[1][at], x[at] + bias[j]);
                }
            }
            if !transposed {
                let want = first.get_or_insert(results.clone());
                assert_eq!(*want, results);
            }
        }
    }
    set_num_threads(0);
}

/// Operands in `order` (outermost first) with gaps of `gap - 1` elements: strides, and elements taken.
fn dense(shape: &[usize], order: &[usize], gap: usize) -> (Vec<isize>, usize) {
    let (mut strides, mut step) = (vec![0; shape.len()], gap);
    for &d in order.iter().rev() {
        strides[d] = step as isize;
        step *= shape[d];
    }
    (strides, step)
}

/// One layout after another for both inputs and the output, or the output on the first input.
fn tiles<T: FloatElem + Debug + PartialEq>(of: fn(f32) -> T) {
    let orders: [&[usize]; 4] = [&[0, 1, 2], &[0, 2, 1], &[2, 1, 0], &[1, 2, 0]];
    for shape in [[1, 40, 37], [3, 64, 33], [2, 19, 600], [1, 1100, 3], [2, 1, 300]] {
        let n: usize = shape.iter().product();
        let value = |i: usize| of((i % 251) as f32 - 125.0);
        for (round, x_order) in orders.iter().enumerate() {
            for (gaps, y_order) in [([1, 1], 0), ([2, 1], 0), ([1, 2], round), ([5, 1], 3)] {
                let (xs, xn) = dense(&shape, x_order, gaps[0]);
                let (ys, yn) = dense(&shape, orders[y_order], gaps[1]);
                // The second input repeats along the last dimension, and goes backwards along the one before.
                let zs = [shape[1] as isize, -1, 0];
                let x: Vec<T> = (0..xn).map(value).collect();
                let zn: Vec<T> = (0..shape[0] * shape[1]).map(|i| value(7 * i)).collect();
                let last = shape[1] - 1;
                let z = In { ptr: zn[last..].as_ptr(), strides: &zs };
                let (x_at, y_at, z_at) = (offsets(&shape, &xs), offsets(&shape, &ys), offsets(&shape, &zs));
                let z_of = |i: usize| zn[(last as isize + z_at[i]) as usize];
                let single = |i: usize| alone(formula::Add, [x[x_at[i] as usize], z_of(i)], x[0]);
                let sums: Vec<T> = (0..n).map(single).collect();
                for in_place in [false, true] {
                    let (mut got, at) = if in_place { (x.clone(), &x_at) } else { (vec![x[0]; yn], &y_at) };
                    let mut want = got.clone();
                    for (i, &at) in at.iter().enumerate() {
                        want[at as usize] = sums[i];
                    }
                    let y = Out { ptr: got.as_mut_ptr(), strides: if in_place { &xs } else { &ys } };
                    let from = if in_place { y.ptr.cast_const() } else { x.as_ptr() };
                    // SAFETY: the layouts were made for these buffers; the output is exactly the input or none.
                    unsafe { float(formula::Add, &shape, [In { ptr: from, strides: &xs }, z], y) };
                    assert!(got == want, "{shape:?} {xs:?} {ys:?} {in_place}");
                }
            }
        }
    }
}

#[test]
fn tiles_of_any_layout() {
    everywhere(&[1, 2, 3], || {
        tiles::<f32>(|x| x);
        tiles::<f64>(f64::from);
        tiles::<bf16>(bf16::from_f32);
        tiles::<f16>(f16::from_f32);
    });
}

/// One input across the other and the output, which is the other or none, its rows with gaps or without.
fn across<T: FloatElem + Debug + PartialEq>(of: fn(f32) -> T) {
    for [rows, columns] in
        [[16, 16], [20, 40], [33, 17], [100, 100], [300, 40], [40, 300], [9, 1024], [1024, 9]]
    {
        for (turned, gap, in_place) in
            [(0, 0, false), (1, 0, false), (0, 3, true), (1, 3, false), (1, 0, true)]
        {
            let shape = [rows, columns];
            let (turned_s, plain_s) = ([1, rows as isize], [(columns + gap) as isize, 1]);
            let strides = if turned == 0 { [turned_s, plain_s] } else { [plain_s, turned_s] };
            let mut value = (0..).map(|i: usize| of((i * 37 % 1009) as f32 - 504.0));
            let x = strides.map(|_| value.by_ref().take(rows * (columns + gap)).collect::<Vec<T>>());
            let at = strides.map(|strides| offsets(&shape, &strides));
            let plain_at = &at[1 - turned];
            let mut got = if in_place { x[1 - turned].clone() } else { vec![of(0.0); x[0].len()] };
            let mut want = got.clone();
            for i in 0..rows * columns {
                let operands = [x[0][at[0][i] as usize], x[1][at[1][i] as usize]];
                want[plain_at[i] as usize] = alone(formula::Sub, operands, of(0.0));
            }
            let y = Out { ptr: got.as_mut_ptr(), strides: &plain_s };
            let from = |i: usize| if in_place && i != turned { y.ptr.cast_const() } else { x[i].as_ptr() };
            let x = [0, 1].map(|i| In { ptr: from(i), strides: &strides[i] });
            // SAFETY: the layouts were made for these buffers; the output is exactly the input or none.
            unsafe { float(formula::Sub, &shape, x, y) };
            assert!(got == want, "{shape:?} {turned} {gap} {in_place}");
        }
    }
}

#[test]
fn inputs_across_each_other() {
    everywhere(&[1, 3], || {
        across::<f32>(|x| x);
        across::<f64>(f64::from);
        across::<bf16>(bf16::from_f32);
    });
}

/// Rows of a few elements: each operand with another step along them and from one to the next, or all following each other.
fn short_rows<T: FloatElem + Debug + PartialEq>(of: fn(f32) -> T) {
    const ROWS: usize = 601;
    for n in [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 100] {
        let room =
            |at: usize| -> Vec<T> { (at..at + ROWS * (2 * n + 3)).map(|i| of((i % 251) as f32)).collect() };
        let (gaps, second, row, column, other) = (room(0), room(1), room(2), room(3), room(4));
        let (follow, gap, twice) = ([n as isize, 1], [n as isize + 3, 1], [2 * n as isize, 2]);
        let operands = |c| [(gap, twice, c), (follow, follow, c)];
        let cases = [(&row, [0, 1]), (&column, [1, 0]), (&column, [2, 0]), (&other, gap)].map(operands);
        for (wide, twice, (c, cs)) in cases.into_iter().flatten() {
            let (mut got, mut in_place, mut want) = (room(5), gaps.clone(), room(5));
            let mut want_in_place = gaps.clone();
            for i in 0..ROWS {
                for j in 0..n {
                    let at = |s: [isize; 2]| i * s[0] as usize + j * s[1] as usize;
                    let value = alone(Three, [gaps[at(wide)], second[at(twice)], c[at(cs)]], gaps[0]);
                    (want[at(wide)], want_in_place[at(wide)]) = (value, value);
                }
            }
            let x = |ptr| {
                let (second, c) = (second.as_ptr(), c.as_ptr());
                [In { ptr, strides: &wide }, In { ptr: second, strides: &twice }, In { ptr: c, strides: &cs }]
            };
            let y = Out { ptr: got.as_mut_ptr(), strides: &wide };
            let on_first = Out { ptr: in_place.as_mut_ptr(), strides: &wide };
            // SAFETY: the buffers hold all rows; the output is exactly the first input or none.
            unsafe {
                float(Three, &[ROWS, n], x(gaps.as_ptr()), y);
                float(Three, &[ROWS, n], x(on_first.ptr.cast_const()), on_first);
            }
            assert!(got == want && in_place == want_in_place, "{n} {cs:?}");
        }
    }
}

#[test]
fn short_rows_with_gaps() {
    everywhere(&[1, 3], || {
        short_rows::<f32>(|x| x);
        short_rows::<f64>(f64::from);
        short_rows::<bf16>(bf16::from_f32);
    });
}

#[test]
fn integers_in_short_rows() {
    const ROWS: usize = 700;
    // Words that floats would not keep.
    let word = |i: usize| 0x7f80_0001_ff80_0001_u64 as i64 + i as i64;
    for n in [2, 3, 7] {
        let x: Vec<i64> = (0..ROWS * 7).map(word).collect();
        let mut y = vec![0i64; ROWS * n];
        let follow = [n as isize, 1];
        let backwards = [-(n as isize), 1];
        for (column, out) in [([1, 0], follow), ([3, 0], follow), ([2, 0], backwards), ([-1, 0], follow)] {
            for level in available() {
                let first = |strides: [isize; 2]| if strides[0] < 0 { ROWS - 1 } else { 0 };
                let top = |strides: [isize; 2]| first(strides) * strides[0].unsigned_abs();
                let (a, b) = (top(out), top(column));
                // SAFETY: both hold as many rows as are read or written.
                with_level(level, || unsafe {
                    let a = In { ptr: x.as_ptr().add(a), strides: &out };
                    let b = In { ptr: x.as_ptr().add(b), strides: &column };
                    int(
                        formula::Sub,
                        &[ROWS, n],
                        [a, b],
                        Out { ptr: y.as_mut_ptr().add(top(out)), strides: &out },
                    );
                });
                for i in 0..ROWS * n {
                    let row = if out[0] < 0 { ROWS - 1 - i / n } else { i / n };
                    let at = b as isize + row as isize * column[0];
                    assert_eq!(y[i], x[i].wrapping_sub(x[at as usize]), "{n} {column:?} {level:?}");
                }
            }
        }
    }
}

#[test]
fn tiles_of_integers_and_comparisons() {
    let (rows, columns) = (70usize, 601usize);
    let x: Vec<i64> = (0..rows * columns).map(|i| i as i64 % 97).collect();
    let bytes: Vec<u8> = x.iter().map(|&x| x as u8).collect();
    let (mut product, mut less) = (vec![0u8; x.len()], vec![0u8; x.len()]);
    let (straight, turned) = ([columns as isize, 1], [1, rows as isize]);
    for level in available() {
        // SAFETY: all hold as many elements.
        with_level(level, || unsafe {
            let shape = [rows, columns];
            let [a, b] = [&straight, &turned].map(|strides| In { ptr: x.as_ptr(), strides });
            compare(formula::Lt, &shape, a, b, Out { ptr: less.as_mut_ptr(), strides: &straight });
            let [a, b] = [&straight, &turned].map(|strides| In { ptr: bytes.as_ptr(), strides });
            int(formula::Mul, &shape, [a, b], Out { ptr: product.as_mut_ptr(), strides: &turned });
        });
        for i in 0..rows {
            for j in 0..columns {
                let (a, b) = (i * columns + j, j * rows + i);
                assert_eq!(less[a], u8::from(x[a] < x[b]));
                assert_eq!(product[b], bytes[a].wrapping_mul(bytes[b]));
            }
        }
    }
}

#[test]
fn results_past_the_caches() {
    fn check<T: FloatElem + PartialEq + Debug>(value: impl Fn(usize) -> T) {
        // Not whole lines, and a length that threads share unevenly.
        let (rows, columns) = (37, 8_101);
        let n = rows * columns;
        let x: Vec<T> = (0..n).map(&value).collect();
        let mut room = vec![value(0); n + 128];
        let line = room.as_ptr().align_offset(64);
        for (threads, at) in [(1, line), (3, line), (1, line + 1), (2, line + 63)] {
            set_num_threads(threads);
            room.fill(value(0));
            let y = Out { ptr: room[at..].as_mut_ptr(), strides: &[1] };
            let (matrix, row) = (&[columns as isize, 1], &[0, 1]);
            assert!(stream::pays(n, &[x.as_ptr()], y.ptr));
            // SAFETY: both buffers hold `n` elements from there.
            unsafe {
                float(formula::Neg, &[n], [In { ptr: x.as_ptr(), strides: &[1] }], y);
                float(formula::Neg, &[n], [In { ptr: y.ptr.cast_const(), strides: &[1] }], y);
                assert_eq!(room[at..at + n], x[..]);
                let y = Out { ptr: room[at..].as_mut_ptr(), strides: matrix };
                let x = [In { ptr: x.as_ptr(), strides: matrix }, In { ptr: x.as_ptr(), strides: row }];
                float(formula::Mul, &[rows, columns], x, y);
            }
            for (i, &got) in room[at..at + n].iter().enumerate() {
                assert_eq!(got, alone(formula::Mul, [x[i], x[i % columns]], x[0]), "at {i}");
            }
            assert!(room[..at].iter().chain(&room[at + n..]).all(|&rest| rest == value(0)));
        }
        set_num_threads(0);
    }
    check::<f32>(|i| i as f32);
    check::<f64>(|i| i as f64);
    check::<half::bf16>(|i| half::bf16::from_f32((i % 251) as f32));
}

#[test]
fn forwards_or_backwards_by_where_memory_lies() {
    const N: usize = 333;
    let mut room = vec![0f32; 4096];
    let page = room.as_ptr().align_offset(4096);
    for distance in (0..40).chain(1000..1024) {
        // The result a little after the input, up to whole pages, or on it; in the second round before it.
        for (x, y) in [(page, page + 1024 + distance), (page + 1024 + distance, page)] {
            room[x..x + N].iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            let place = room.as_mut_ptr();
            // SAFETY: both lie in the buffer and do not overlap.
            unsafe {
                let x = In { ptr: place.add(x).cast_const(), strides: &[1] };
                float(formula::Neg, &[N], [x], Out { ptr: place.add(y), strides: &[1] });
            }
            assert!((0..N).all(|i| room[y + i] == -(i as f32)));
        }
    }
}
