use super::*;
use crate::elem::Bool;
use half::{bf16, f16};

/// All coordinates of `shape`, row-major.
fn coordinates(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &extent in shape {
        all = all.iter().flat_map(|c| (0..extent).map(|i| [&c[..], &[i]].concat())).collect();
    }
    all
}

fn offset(at: &[usize], strides: &[isize]) -> isize {
    at.iter().zip(strides).map(|(&i, &s)| i as isize * s).sum()
}

/// Strides that lay the dimensions out in the order `order` (outermost first), `gap` apart, `flip` reversing one.
fn layout(shape: &[usize], order: &[usize], gap: isize, flip: Option<usize>) -> (Vec<isize>, isize, usize) {
    let mut strides = vec![0; shape.len()];
    let mut step = gap;
    for &d in order.iter().rev() {
        strides[d] = step;
        step *= shape[d].max(1) as isize;
    }
    let mut base = 0;
    if let Some(d) = flip {
        base = strides[d] * (shape[d].max(1) as isize - 1);
        strides[d] = -strides[d];
    }
    (strides, base, step as usize + 1)
}

fn orders(rank: usize) -> Vec<Vec<usize>> {
    match rank {
        0 => vec![vec![]],
        _ => orders(rank - 1)
            .into_iter()
            .flat_map(|o| (0..rank).map(move |at| [&o[..at], &[rank - 1], &o[at..]].concat()))
            .collect(),
    }
}

const SHAPES: &[&[usize]] = &[
    &[],
    &[1],
    &[0, 3],
    &[7],
    &[9000],
    &[3, 5],
    &[8, 8],
    &[33, 70],
    &[129, 17],
    &[2, 9, 11],
    &[5, 1, 64, 3],
    &[300, 301],
];

#[test]
fn copies_between_all_layouts() {
    copies::<u8>();
    copies::<u32>();
    copies::<u64>();
}

fn copies<T: Copy + Send + Sync + PartialEq + std::fmt::Debug + From<u8>>() {
    for &shape in SHAPES {
        for from in orders(shape.len()) {
            for (gap, flip) in [(1, None), (2, None), (1, shape.len().checked_sub(1))] {
                let (xs, x0, xn) = layout(shape, &from, gap, flip);
                let (ys, y0, yn) = layout(shape, &(0..shape.len()).collect::<Vec<_>>(), 1, flip.map(|_| 0));
                let x: Vec<T> = (0..xn).map(|i| T::from((i * 7 % 251) as u8)).collect();
                let mut y = vec![T::from(0); yn];
                // SAFETY: the layouts were made for these buffers.
                unsafe {
                    let x = In { ptr: x.as_ptr().offset(x0), strides: &xs };
                    let y = Out { ptr: y.as_mut_ptr().offset(y0), strides: &ys };
                    copy(shape, x, y);
                }
                for at in coordinates(shape) {
                    let (i, j) = (x0 + offset(&at, &xs), y0 + offset(&at, &ys));
                    assert_eq!(y[j as usize], x[i as usize], "{shape:?} {from:?} {gap} {flip:?} at {at:?}");
                }
            }
        }
    }
}

#[test]
fn fills_and_leaves_gaps_alone() {
    for &shape in SHAPES {
        for gap in [1, 3] {
            let (ys, y0, yn) = layout(shape, &(0..shape.len()).collect::<Vec<_>>(), gap, None);
            let mut y = vec![0u8; yn];
            // SAFETY: the layout was made for this buffer.
            unsafe { fill(shape, Out { ptr: y.as_mut_ptr().offset(y0), strides: &ys }, 9) };
            let written: usize = y.iter().map(|&b| usize::from(b == 9)).sum();
            assert_eq!(written, shape.iter().product::<usize>());
            assert!(coordinates(shape).iter().all(|at| y[offset(at, &ys) as usize] == 9));
        }
    }
}

fn cast_all<A: Elem, B: Elem>(values: &[A]) -> Vec<B> {
    let mut y = vec![B::default(); values.len()];
    // SAFETY: both hold as many.
    unsafe {
        let x = In { ptr: values.as_ptr(), strides: &[1] };
        cast(&[values.len()], x, Out { ptr: y.as_mut_ptr(), strides: &[1] });
    }
    y
}

#[test]
fn casts_follow_torch() {
    let floats = [0.0f32, -0.0, 0.4, 2.7, -2.7, 300.5, f32::NAN];
    assert_eq!(cast_all::<_, i64>(&floats), [0, 0, 0, 2, -2, 300, 0]);
    assert_eq!(cast_all::<_, i32>(&floats), [0, 0, 0, 2, -2, 300, 0]);
    assert_eq!(cast_all::<_, Bool>(&floats).iter().map(|b| b.0).collect::<Vec<_>>(), [0, 0, 1, 1, 1, 1, 1]);
    assert_eq!(
        cast_all::<_, f64>(&floats[..6]),
        floats[..6].iter().map(|&x| f64::from(x)).collect::<Vec<_>>()
    );
    assert_eq!(cast_all::<_, bf16>(&[1.0f64, 1.00390625, 0.3]).map_to(), [1.0, 1.0, 0.30078125]);
    assert_eq!(cast_all::<_, f16>(&[1.0f64, 65504.0, 1e6]).map_to(), [1.0, 65504.0, f32::INFINITY]);
    assert_eq!(cast_all::<_, u8>(&[-1i64, 256, 255, 3]), [255, 0, 255, 3]);
    assert_eq!(cast_all::<_, f32>(&[Bool(0), Bool(1), Bool(7)]), [0.0, 1.0, 1.0]);
    assert_eq!(cast_all::<_, Bool>(&[0i64, 256, -1]), [Bool(0), Bool(1), Bool(1)]);
    assert_eq!(cast_all::<_, i64>(&[bf16::from_f32(-3.5)]), [-3]);
    assert_eq!(cast_all::<_, f32>(&[i64::MAX]), [9.223372e18]);
}

trait MapTo {
    fn map_to(&self) -> Vec<f32>;
}

impl<T: Elem> MapTo for Vec<T> {
    fn map_to(&self) -> Vec<f32> {
        self.iter().map(|x| x.cast()).collect()
    }
}

#[test]
fn casts_transpose_and_broadcast() {
    let x: Vec<f32> = (0..40 * 50).map(|i| i as f32).collect();
    let mut y = vec![0i64; 2 * 50 * 40];
    // SAFETY: the transposed source repeats along the first dimension; the target is contiguous.
    unsafe {
        let x = In { ptr: x.as_ptr(), strides: &[0, 1, 50] };
        cast(&[2, 50, 40], x, Out { ptr: y.as_mut_ptr(), strides: &[2000, 40, 1] });
    }
    for at in coordinates(&[2, 50, 40]) {
        assert_eq!(y[at[0] * 2000 + at[1] * 40 + at[2]], (at[2] * 50 + at[1]) as i64);
    }
}
