//! Against plain formulas in `f64`, at every level and on several threads, in many layouts.
use super::*;
use crate::pool::set_num_threads;
use crate::simd::{Float, Level, available, with_level};
use half::bf16;

const SIZES: [(usize, usize); 10] =
    [(0, 3), (1, 1), (3, 1), (1, 10), (40, 10), (33, 16), (5, 511), (5, 513), (3, 2000), (2000, 10)];

fn logit(i: usize) -> f64 {
    ((i * 7919) % 1009) as f64 * 0.037 - 17.0
}

struct Layout {
    rows: usize,
    columns: usize,
    strides: [isize; 2],
}

impl Layout {
    fn all() -> impl Iterator<Item = Layout> {
        SIZES.into_iter().flat_map(|(rows, columns)| {
            let (r, c) = (rows as isize, columns as isize);
            [[c, 1], [1, r], [2 * c + 3, 2]].map(|strides| Layout { rows, columns, strides })
        })
    }
    fn len(&self) -> usize {
        self.rows * self.strides[0] as usize + self.columns * self.strides[1] as usize + 1
    }
    fn at(&self, i: usize, j: usize) -> usize {
        i * self.strides[0] as usize + j * self.strides[1] as usize
    }
}

/// `value` must be near `truth`: within `bound` of the larger of its size and one.
fn near(value: f64, truth: f64, bound: f64, context: &dyn Fn() -> String) {
    assert!((value - truth).abs() <= bound * truth.abs().max(1.0), "{value} not {truth}: {}", context());
}

fn check<T: FloatElem + PartialEq + std::fmt::Debug>(of: fn(f64) -> T, bound: f64)
where
    T::Compute: Into<f64>,
{
    for l in Layout::all() {
        let x: Vec<T> = (0..l.len()).map(|i| of(logit(i))).collect();
        let target: Vec<i64> =
            (0..l.rows).map(|i| if i % 7 == 3 { -100 } else { ((i * 31) % l.columns) as i64 }).collect();
        let grad: Vec<T> = (0..l.rows).map(|i| of(1.0 + i as f64 * 0.01)).collect();
        let mut same: Option<[Vec<T>; 4]> = None;
        for level in available() {
            for threads in [1, 2, 3] {
                set_num_threads(threads);
                let [mut soft, mut logs, mut back] = [(); 3].map(|()| x.clone());
                let mut loss = vec![of(9.0); l.rows];
                let mut lse = vec![T::Compute::default(); l.rows];
                let (n, c, s) = (l.rows, l.columns, l.strides);
                // SAFETY: the buffers are as large as the strides reach.
                with_level(level, || unsafe {
                    let (rows, steps) = (Rows { count: [1, n], columns: c }, [0, s[0], s[1]]);
                    softmax(rows, x.as_ptr(), steps, soft.as_mut_ptr(), steps);
                    log_softmax(rows, x.as_ptr(), steps, logs.as_mut_ptr(), steps);
                    let (t, out) = (target.as_ptr(), back.as_mut_ptr());
                    let result =
                        cross_entropy(n, c, x.as_ptr(), s, t, 1, -100, loss.as_mut_ptr(), lse.as_mut_ptr());
                    assert_eq!(result, Ok(()));
                    let scale = T::Compute::from_f64(0.5);
                    let (x, lse, g) = (x.as_ptr(), lse.as_ptr(), grad.as_ptr());
                    cross_entropy_backward(n, c, x, s, t, 1, -100, lse, g, 1, scale, out, s);
                });
                for i in 0..n {
                    let context = || format!("{level}, {threads} threads, {n}x{c}, strides {s:?}, row {i}");
                    let row: Vec<f64> = (0..c).map(|j| x[l.at(i, j)].widen().into()).collect();
                    let best = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let truth = best + row.iter().map(|x| (x - best).exp()).sum::<f64>().ln();
                    near(lse[i].into(), truth, bound, &context);
                    let ignored = target[i] == -100;
                    let want = if ignored { 0.0 } else { truth - row[target[i] as usize] };
                    near(loss[i].widen().into(), want, bound, &context);
                    for j in 0..c {
                        let p = (row[j] - truth).exp();
                        near(soft[l.at(i, j)].widen().into(), p, bound, &context);
                        near(logs[l.at(i, j)].widen().into(), row[j] - truth, bound, &context);
                        let g: f64 = grad[i].widen().into();
                        let hit = (j as i64 == target[i]) as u8 as f64;
                        let want = if ignored { 0.0 } else { 0.5 * g * (p - hit) };
                        // The rounding of `lse` itself, which may be as large as the logits, goes into the exponent.
                        near(back[l.at(i, j)].widen().into(), want, 16.0 * bound * g, &context);
                    }
                }
                if level != Level::Portable {
                    let all = [soft, logs, back, loss];
                    assert_eq!(
                        *same.get_or_insert_with(|| all.clone()),
                        all,
                        "other bits at {level}, {threads} threads"
                    );
                }
            }
        }
    }
    set_num_threads(0);
}

#[test]
fn rows_agree_with_the_formulas() {
    check::<f32>(|x| x as f32, 4.1e-7);
    check::<f64>(|x| x, 1e-14);
    check::<bf16>(bf16::from_f64, 8e-3);
}

#[test]
fn extremes_do_not_overflow_and_nan_spreads() {
    for level in available() {
        let rows: [[f32; 3]; 4] =
            [[1e30, 0.0, -1e30], [-3e38, -3e38, -3e38], [f32::NEG_INFINITY, 0.0, 0.0], [0.0, f32::NAN, 1.0]];
        let mut y = [[0f32; 3]; 4];
        // SAFETY: four rows of three.
        with_level(level, || unsafe {
            let (steps, shape) = ([6, 3, 1], Rows { count: [2, 2], columns: 3 });
            softmax::<f32>(shape, rows.as_ptr().cast(), steps, y.as_mut_ptr().cast(), steps)
        });
        assert_eq!(y[0], [1.0, 0.0, 0.0]);
        assert_eq!(y[1], [1.0 / 3.0; 3]);
        assert_eq!(y[2], [0.0, 0.5, 0.5]);
        assert!(y[3].iter().all(|y| y.is_nan()));
    }
}

#[test]
fn a_bad_target_is_told_and_read_nowhere() {
    let x = [0f32; 6];
    let (mut loss, mut lse) = ([0f32; 3], [0f32; 3]);
    for (target, want) in [
        ([0, 2, -1], Some((1, 2))),
        ([0, 1, -1], Some((2, -1))),
        ([0, i64::MAX, 5], Some((1, i64::MAX))),
        ([0, 1, -100], None),
    ] {
        // SAFETY: three rows of two.
        let result = unsafe {
            cross_entropy(
                3,
                2,
                x.as_ptr(),
                [2, 1],
                target.as_ptr(),
                1,
                -100,
                loss.as_mut_ptr(),
                lse.as_mut_ptr(),
            )
        };
        assert_eq!(result.err(), want.map(|(row, target)| BadTarget { row, target }));
    }
    // No classes at all: every target is bad, and nothing is read.
    // SAFETY: no logits.
    let result = unsafe {
        let t = [0i64; 3];
        cross_entropy(3, 0, x.as_ptr(), [0, 1], t.as_ptr(), 1, -100, loss.as_mut_ptr(), lse.as_mut_ptr())
    };
    assert_eq!(result, Err(BadTarget { row: 0, target: 0 }));
}

#[test]
fn backward_agrees_with_the_formulas() {
    fn check<T: FloatElem + PartialEq + std::fmt::Debug>(of: fn(f64) -> T, bound: f64) {
        for (outer, inner, columns) in
            [(1, 1, 1), (0, 3, 4), (3, 2, 0), (5, 7, 10), (2, 3, 511), (40, 1, 600)]
        {
            let (o, i, c) = (outer as isize, inner as isize, columns as isize);
            let n = outer * inner * columns;
            let mut same: Option<[Vec<T>; 2]> = None;
            for steps in [[i * c, c, 1], [i * c, 1, i], [1, o, o * i]] {
                let at = |a: usize, b: usize, j: usize| {
                    a * steps[0] as usize + b * steps[1] as usize + j * steps[2] as usize
                };
                let (mut y, mut g) = (vec![of(0.0); n], vec![of(0.0); n]);
                for (k, (a, b, j)) in
                    (0..n).map(|k| (k, (k / (inner * columns), k / columns % inner, k % columns)))
                {
                    y[at(a, b, j)] = of(-(logit(k * 3) / 17.0).abs());
                    g[at(a, b, j)] = of(logit(k + 5) / 17.0);
                }
                for level in available() {
                    for threads in [1, 2, 3] {
                        set_num_threads(threads);
                        let (mut soft, mut logs) = (vec![of(9.0); n], vec![of(9.0); n]);
                        let rows = Rows { count: [outer, inner], columns };
                        // The outputs are contiguous, so that their bits can be compared.
                        let out = [i * c, c, 1];
                        // SAFETY: the buffers hold all the rows.
                        with_level(level, || unsafe {
                            let (y, g) = ((y.as_ptr(), steps), (g.as_ptr(), steps));
                            softmax_backward(rows, y, g, (soft.as_mut_ptr(), out));
                            log_softmax_backward(rows, y, g, (logs.as_mut_ptr(), out));
                        });
                        for (r, (a, b)) in
                            (0..outer).flat_map(|a| (0..inner).map(move |b| (a, b))).enumerate()
                        {
                            let wide = |v: &[T], j| v[at(a, b, j)].widen().to_f64();
                            let plain: f64 = (0..columns).map(|j| wide(&g, j)).sum();
                            let dot: f64 = (0..columns).map(|j| wide(&g, j) * wide(&y, j)).sum();
                            let size = bound * columns as f64;
                            let context = || format!("{level}, {threads} threads, {steps:?}, row {r}");
                            for j in 0..columns {
                                let (y, g) = (wide(&y, j), wide(&g, j));
                                let got = soft[r * columns + j].widen().to_f64();
                                near(got, y * (g - dot), size, &context);
                                near(
                                    logs[r * columns + j].widen().to_f64(),
                                    g - y.exp() * plain,
                                    size,
                                    &context,
                                );
                            }
                        }
                        if level != Level::Portable {
                            let all = [soft, logs];
                            assert_eq!(
                                *same.get_or_insert_with(|| all.clone()),
                                all,
                                "{level}, {threads} threads"
                            );
                        }
                    }
                }
            }
        }
        set_num_threads(0);
    }
    check::<f32>(|x| x as f32, 2e-7);
    check::<f64>(|x| x, 1e-15);
    check::<bf16>(bf16::from_f64, 8e-3);
}
