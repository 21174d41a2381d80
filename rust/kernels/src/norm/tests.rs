//! Against plain formulas in `f64`, at every level and on several threads, in many layouts.
use super::*;
use crate::pool::set_num_threads;
use crate::simd::{Float, FloatElem, Level, available, with_level};
use half::{bf16, f16};

const SIZES: [(usize, usize); 11] = [
    (0, 3),
    (3, 0),
    (1, 1),
    (3, 1),
    (40, 10),
    (33, 16),
    (5, 511),
    (17, 513),
    (3, 2000),
    (2000, 10),
    (1500, 33),
];

fn value(i: usize) -> f64 {
    ((i * 7919) % 1009) as f64 * 0.0037 - 1.4
}

/// What is computed, as plain numbers.
#[derive(Clone, Debug, PartialEq)]
struct Results<T, C> {
    y: Vec<T>,
    mean: Vec<C>,
    rstd: Vec<C>,
    dx: Vec<T>,
    dw: Vec<T>,
    db: Vec<T>,
}

/// One matrix in memory.
struct Stored<T> {
    data: Vec<T>,
    strides: [isize; 2],
}

impl<T: FloatElem> Stored<T> {
    fn new(rows: usize, columns: usize, strides: [isize; 2], of: impl Fn(usize) -> T) -> Self {
        let [a, b] = strides.map(|s| s as usize);
        let mut data = vec![of(0); rows * a + columns * b + 1];
        for i in 0..rows {
            for j in 0..columns {
                data[i * a + j * b] = of(i * columns + j);
            }
        }
        Self { data, strides }
    }
    fn matrix(&self, rows: usize, columns: usize) -> Matrix<T> {
        Matrix { rows, columns, ptr: self.data.as_ptr(), strides: self.strides }
    }
    fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.strides[0] as usize + j * self.strides[1] as usize].widen().to_f64()
    }
}

fn run<T: FloatElem>(x: Matrix<T>, g: Matrix<T>, w: *const T, b: *const T) -> Results<T, T::Compute> {
    let (n, c) = (x.rows, x.columns);
    let (old, none) = (T::narrow(T::Compute::from_f64(9.0)), T::Compute::default());
    let mut r = Results {
        y: vec![old; n * c],
        mean: vec![none; n],
        rstd: vec![none; n],
        dx: vec![old; n * c],
        dw: vec![old; c],
        db: vec![old; c],
    };
    let mut scratch = vec![0u64; workspace::<T>(n, c).div_ceil(8)];
    let kept = Statistics { mean: r.mean.as_mut_ptr(), rstd: r.rstd.as_mut_ptr() };
    let some = |p: *mut T| if w.is_null() { std::ptr::null_mut() } else { p };
    let out = Gradients {
        input: r.dx.as_mut_ptr(),
        weight: some(r.dw.as_mut_ptr()),
        bias: some(r.db.as_mut_ptr()),
    };
    // SAFETY: the buffers are as large as the matrices.
    unsafe {
        layer_norm(x, w, b, 1e-5, r.y.as_mut_ptr(), kept);
        layer_norm_backward(g, x, kept, w, out, scratch.as_mut_ptr().cast());
    }
    r
}

/// The same in `f64`, each number with what it is made of, which bounds its error.
fn naive<T: FloatElem>(
    x: &Stored<T>,
    g: &Stored<T>,
    w: &[T],
    b: &[T],
    n: usize,
    c: usize,
) -> Results<f64, f64> {
    let wide = |v: &[T], j: usize, none: f64| v.get(j).map_or(none, |v| v.widen().to_f64());
    let mut r =
        Results { y: vec![], mean: vec![], rstd: vec![], dx: vec![], dw: vec![0.0; c], db: vec![0.0; c] };
    let average = |of: &dyn Fn(usize) -> f64| (0..c).map(of).sum::<f64>() / c as f64;
    for i in 0..n {
        let mean = average(&|j| x.at(i, j));
        let rstd = 1.0 / (average(&|j| (x.at(i, j) - mean).powi(2)) + 1e-5).sqrt();
        let normal = |j| (x.at(i, j) - mean) * rstd;
        let h = |j| g.at(i, j) * wide(w, j, 1.0);
        let (plain, along) = (average(&h), average(&|j| h(j) * normal(j)));
        for j in 0..c {
            r.y.push(normal(j) * wide(w, j, 1.0) + wide(b, j, 0.0));
            r.dx.push(rstd * (h(j) - plain - normal(j) * along));
            r.dw[j] += g.at(i, j) * normal(j);
            r.db[j] += g.at(i, j);
        }
        r.mean.push(mean);
        r.rstd.push(rstd);
    }
    r
}

fn near(name: &str, got: impl Iterator<Item = f64>, want: &[f64], bound: f64, context: &str) {
    let size = want.iter().filter(|w| w.is_finite()).fold(1.0f64, |m, w| m.max(w.abs()));
    let got: Vec<f64> = got.collect();
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.into_iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= bound * size || (got.is_nan() && want.is_nan()),
            "{name}[{i}] is {got}, not {want}: {context}"
        );
    }
}

fn check<T: FloatElem + PartialEq + std::fmt::Debug>(bound: f64) {
    let of = |v: f64| T::narrow(T::Compute::from_f64(v));
    for (n, c) in SIZES {
        let w: Vec<T> = (0..c).map(|j| of(0.5 + value(j * 3 + 1))).collect();
        let b: Vec<T> = (0..c).map(|j| of(value(j * 5 + 2))).collect();
        let (rows, columns) = (n as isize, c as isize);
        let mut straight = None;
        for strides in [[columns, 1], [1, rows], [2 * columns + 3, 2]] {
            let x = Stored::new(n, c, strides, |i| of(value(i)));
            let g = Stored::new(n, c, strides, |i| of(value(i * 11 + 5)));
            for affine in [0, 1, 2] {
                let (ws, bs) = (&w[..if affine > 0 { c } else { 0 }], &b[..if affine > 1 { c } else { 0 }]);
                let want = naive(&x, &g, ws, bs, n, c);
                let (wp, bp) = (
                    if affine > 0 { w.as_ptr() } else { std::ptr::null() },
                    if affine > 1 { b.as_ptr() } else { std::ptr::null() },
                );
                for level in available() {
                    for threads in [1, 2, 3] {
                        set_num_threads(threads);
                        let got = with_level(level, || run(x.matrix(n, c), g.matrix(n, c), wp, bp));
                        let context =
                            format!("{level}, {threads} threads, {n}x{c} by {strides:?}, affine {affine}");
                        let wide =
                            |v: &[T]| v.iter().map(|v| v.widen().to_f64()).collect::<Vec<_>>().into_iter();
                        near("y", wide(&got.y), &want.y, bound, &context);
                        near("dx", wide(&got.dx), &want.dx, bound, &context);
                        near("mean", got.mean.iter().map(|v| v.to_f64()), &want.mean, bound, &context);
                        near("rstd", got.rstd.iter().map(|v| v.to_f64()), &want.rstd, bound, &context);
                        if affine > 0 {
                            near("dw", wide(&got.dw), &want.dw, bound, &context);
                            near("db", wide(&got.db), &want.db, bound, &context);
                        }
                        if level != Level::Portable && affine == 2 && c > 0 {
                            let first = straight.get_or_insert_with(|| got.clone());
                            assert_eq!(*first, got, "other bits: {context}");
                        }
                    }
                }
            }
        }
    }
    set_num_threads(0);
}

#[test]
fn rows_agree_with_the_formulas() {
    check::<f32>(2e-6);
    check::<f64>(1e-14);
    check::<bf16>(1e-2);
    check::<f16>(2e-3);
}

#[test]
fn a_large_mean_costs_few_digits() {
    let x = Stored::new(2, 1000, [1000, 1], |i| 4096.0f32 + (i % 7) as f32 * 0.5);
    let want = naive(&x, &x, &[], &[], 2, 1000);
    for level in available() {
        let got = with_level(level, || {
            run(x.matrix(2, 1000), x.matrix(2, 1000), std::ptr::null(), std::ptr::null())
        });
        near("y", got.y.iter().map(|&v| v as f64), &want.y, 5e-4, level.name());
    }
}

#[test]
fn a_constant_row_is_all_zero() {
    let x = Stored::new(3, 70, [70, 1], |_| 0.1f32);
    for level in available() {
        let got =
            with_level(level, || run(x.matrix(3, 70), x.matrix(3, 70), std::ptr::null(), std::ptr::null()));
        assert!(got.y.iter().all(|y| y.abs() < 1e-4), "{level}");
    }
}
