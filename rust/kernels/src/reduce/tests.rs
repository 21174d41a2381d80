//! Reductions against a scalar that follows the same tree, over many layouts, at every level and on several threads.
use super::*;
use crate::pool::set_num_threads;
use crate::simd::{available, with_level};
use half::bf16;
use std::fmt::Debug;

/// The tree as `lanes.rs` describes it, element by element.
fn tree<A: Accum, R: Reduction>(r: R, x: &[A]) -> A {
    let mut results = Vec::new();
    for block in x.chunks(SUPER) {
        let mut lanes = [r.identity::<A>(); LANES];
        for chunk in block.chunks(CHUNK) {
            let mut acc = [r.identity::<A>(); LANES];
            for (i, &x) in chunk.iter().enumerate() {
                acc[i % LANES] = r.combine(acc[i % LANES], x);
            }
            for l in 0..LANES {
                lanes[l] = r.combine(lanes[l], acc[l]);
            }
        }
        for width in [8, 4, 2, 1] {
            for l in 0..width {
                lanes[l] = r.combine(lanes[l], lanes[l + width]);
            }
        }
        results.push(lanes[0]);
    }
    while results.len() > 1 {
        results = results
            .chunks(2)
            .map(|pair| if let [a, b] = *pair { r.combine(a, b) } else { pair[0] })
            .collect();
    }
    results.first().copied().unwrap_or(r.identity())
}

fn first<A: Accum, R: ArgReduction>(r: R, x: &[A]) -> i64 {
    let mut best = 0;
    for (i, &value) in x.iter().enumerate() {
        if r.beats(value, x[best]) {
            best = i;
        }
    }
    best as i64
}

fn offsets(shape: &[usize], strides: &[isize]) -> Vec<isize> {
    let mut all = vec![0];
    for (&n, &s) in shape.iter().zip(strides) {
        all = all.iter().flat_map(|&at| (0..n as isize).map(move |i| at + i * s)).collect();
    }
    all
}

/// `(shape, strides, which dimensions are reduced)`.
type Case = (&'static [usize], &'static [isize], &'static [usize]);
const CASES: &[Case] = &[
    (&[], &[], &[]),
    (&[1], &[1], &[0]),
    (&[5], &[1], &[]),
    (&[0], &[1], &[0]),
    (&[3, 0], &[0, 1], &[1]),
    (&[0, 3], &[3, 1], &[1]),
    (&[15], &[1], &[0]),
    (&[17], &[-1], &[0]),
    (&[1000], &[1], &[0]),
    (&[1000], &[3], &[0]),
    (&[70_001], &[1], &[0]),
    (&[70_001], &[2], &[0]),
    (&[3, 40_000], &[40_000, 1], &[1]),
    (&[40_000, 5], &[5, 1], &[0]),
    (&[33, 200], &[200, 1], &[0]),
    (&[700, 83], &[83, 1], &[0]),
    (&[33, 200], &[1, 33], &[0]),
    (&[33, 200], &[1, 33], &[1]),
    (&[33, 200], &[0, 1], &[0]),
    (&[20, 3, 30], &[90, 30, 1], &[0, 2]),
    (&[20, 3, 30], &[90, 30, 1], &[1]),
    (&[20, 3, 30], &[1, 20, 60], &[0, 1]),
    (&[20, 3, 30], &[1, 20, 60], &[1, 2]),
    (&[20, 3, 30], &[-90, 30, -1], &[0, 1, 2]),
    (&[2, 3, 4, 5, 6], &[360, 120, 30, 6, 1], &[1, 3]),
    (&[6, 600, 7], &[4200, 7, 1], &[1]),
    (&[50, 4, 4, 4, 2], &[1, 50, 200, 800, 3200], &[1, 2, 3, 4]),
];

struct Split {
    outer: Vec<usize>,
    inner: Vec<usize>,
    x_outer: Vec<isize>,
    x_inner: Vec<isize>,
    start: usize,
    len: usize,
}

fn split(&(shape, strides, axes): &Case) -> Split {
    let pick = |reduced: bool| (0..shape.len()).filter(move |d| axes.contains(d) == reduced);
    let reach = |sign: isize| -> usize {
        let ends = shape.iter().zip(strides).map(|(&n, &s)| (s * sign).max(0) as usize * n.saturating_sub(1));
        ends.sum()
    };
    Split {
        outer: pick(false).map(|d| shape[d]).collect(),
        inner: pick(true).map(|d| shape[d]).collect(),
        x_outer: pick(false).map(|d| strides[d]).collect(),
        x_inner: pick(true).map(|d| strides[d]).collect(),
        start: reach(-1),
        len: reach(-1) + reach(1) + 1,
    }
}

fn check<T: ReduceElem + Debug + PartialEq, R: Reduction, G: ArgReduction>(r: R, g: G, value: fn(usize) -> T)
where
    T::Acc: Debug,
{
    for case in CASES {
        let s = split(case);
        let data: Vec<T> = (0..s.len).map(value).collect();
        let outputs = offsets(&s.outer, &s.x_outer);
        let inner = offsets(&s.inner, &s.x_inner);
        let (mut want, mut want_arg) = (Vec::new(), Vec::new());
        for o in &outputs {
            let x: Vec<T::Acc> =
                inner.iter().map(|i| data[(s.start as isize + o + i) as usize].widen()).collect();
            want.push(T::narrow(tree(r, &x)));
            want_arg.push(first(g, &x));
        }
        // The output is written backwards with gaps.
        let mut strides = vec![0isize; s.outer.len()];
        let mut step = -2;
        for d in (0..s.outer.len()).rev() {
            strides[d] = step;
            step *= s.outer[d].max(1) as isize;
        }
        for level in available() {
            for threads in [1, 3] {
                set_num_threads(threads);
                let mut y = vec![value(3); 2 * outputs.len() + 1];
                let mut index = vec![-7i64; 2 * outputs.len() + 1];
                let mut scratch = vec![0u8; 1 + workspace::<T>(&s.outer, &s.inner)];
                let mut arg_scratch = vec![0u8; 1 + arg_workspace::<T>(&s.outer, &s.inner)];
                let last = 2 * outputs.len().max(1) - 2;
                with_level(level, || {
                    let x = data[s.start..].as_ptr();
                    // SAFETY: the buffers are as large as the strides reach.
                    unsafe {
                        let out = Out { ptr: y.as_mut_ptr().add(last), strides: &strides };
                        // One byte on, so that nothing is aligned.
                        let room = scratch.as_mut_ptr().add(1);
                        reduce(r, &s.outer, &s.inner, x, &s.x_outer, &s.x_inner, out, room);
                        let out = Out { ptr: index.as_mut_ptr().add(last), strides: &strides };
                        let room = arg_scratch.as_mut_ptr().add(1);
                        arg_reduce(g, &s.outer, &s.inner, x, &s.x_outer, &s.x_inner, out, room);
                    }
                });
                let context = || format!("{level}, {threads} threads, {case:?}");
                for (i, want) in want.iter().enumerate() {
                    let got = y[last - 2 * i];
                    let nan = got.widen().is_nan() && want.widen().is_nan();
                    assert!(got == *want || nan, "{}: {got:?} not {want:?}", context());
                    assert_eq!(y[last - 2 * i + 1], value(3), "{}: wrote into a gap", context());
                    assert_eq!(index[last - 2 * i], want_arg[i], "{}", context());
                }
            }
        }
    }
    set_num_threads(0);
}

fn wave(i: usize) -> f32 {
    ((i * 7919) % 1013) as f32 * 0.37 - 150.0
}

#[test]
fn floats_follow_the_tree() {
    check(Sum, ArgMax, wave);
    check(Max, ArgMin, wave);
    check(Min, ArgMax, |i| if i % 9973 == 4000 { f32::NAN } else { wave(i) });
    check(Prod, ArgMin, |i| 1.0 + (wave(i) * 1e-5));
    check(Sum, ArgMin, |i| f64::from(wave(i)) * 1.000000001);
    check(Sum, ArgMax, |i| bf16::from_f32(wave(i)));
    check(Max, ArgMax, |i| if i % 997 == 400 { f64::NAN } else { wave(i).into() });
}

#[test]
fn integers_wrap() {
    check(Sum, ArgMax, |i| wave(i) as i64 * (1 << 55));
    check(Prod, ArgMin, |i| wave(i) as i32 | 1);
    check(Max, ArgMin, |i| wave(i) as i32);
    check(Min, ArgMax, |i| (i % 251) as u8);
}

#[test]
fn long_sums_stay_accurate() {
    let x = vec![0.1f32; 10_000_000];
    let mut y = 0f32;
    let mut scratch = vec![0u8; workspace::<f32>(&[], &[x.len()])];
    // SAFETY: the buffers are as large as said.
    unsafe {
        let out = Out { ptr: &mut y, strides: &[] };
        reduce(Sum, &[], &[x.len()], x.as_ptr(), &[], &[1], out, scratch.as_mut_ptr());
    }
    let truth = 0.1f32 as f64 * x.len() as f64;
    assert!((y as f64 / truth - 1.0).abs() < 1e-6, "{y}");
}
