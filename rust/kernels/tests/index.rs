//! Gather, scatter-add and their row variants against plain loops.
use retrograd_kernels::index::{BadIndex, gather, index_add, index_select, scatter_add};
use retrograd_kernels::operand::{In, Out};
use retrograd_kernels::pool;

fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; shape.len()];
    for d in (0..shape.len().saturating_sub(1)).rev() {
        strides[d] = strides[d + 1] * shape[d + 1].max(1) as isize;
    }
    strides
}

/// The offset of the element at row-major position `at` of `shape`, and its coordinate along `dim`.
fn place(mut at: usize, shape: &[usize], strides: &[isize], dim: usize) -> (isize, usize) {
    let (mut offset, mut along) = (0, 0);
    for d in (0..shape.len()).rev() {
        let i = at % shape[d];
        at /= shape[d];
        offset += i as isize * strides[d];
        if d == dim {
            along = i;
        }
    }
    (offset, along)
}

fn with(shape: &[usize], dim: usize, extent: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape[dim] = extent;
    shape
}

/// Shape of the index, dim, extent of the other.
const CASES: &[(&[usize], usize, usize)] = &[
    (&[5], 0, 3),
    (&[3, 4], 0, 6),
    (&[3, 4], 1, 2),
    (&[4, 0], 1, 5),
    (&[2, 7, 5], 1, 9),
    (&[2, 7, 5], 2, 1),
    (&[100, 300], 0, 50),
    (&[300, 100], 1, 20),
    (&[2000, 64], 0, 10),
    (&[40000], 0, 100),
];

#[test]
fn gather_and_scatter_add_match_loops_on_any_threads() {
    for &(shape, dim, extent) in CASES {
        let n: usize = shape.iter().product();
        let other = with(shape, dim, extent);
        let (strides, far) = (row_major(shape), row_major(&other));
        let m: usize = other.iter().product();
        let index: Vec<i64> = (0..n).map(|i| (i * i * 31 + i / 7) as i64 % extent as i64).collect();
        let x: Vec<f32> = (0..m).map(|i| (i as f32 * 0.37).sin()).collect();
        let src: Vec<f32> = (0..n).map(|i| (i as f32 * 0.73).cos()).collect();
        let spot = |at: usize| {
            let (offset, along) = place(at, shape, &far, dim);
            (offset + (index[at] - along as i64) as isize * far[dim]) as usize
        };
        let picked: Vec<f32> = (0..n).map(|at| x[spot(at)]).collect();
        let mut added = x.clone();
        (0..n).for_each(|at| added[spot(at)] += src[at]);
        for threads in [1, 2, 3] {
            pool::set_num_threads(threads);
            let (mut y, mut sum) = (vec![0f32; n], x.clone());
            // SAFETY: all buffers are contiguous and as large as their shapes.
            unsafe {
                let index = In { ptr: index.as_ptr(), strides: &strides };
                let x = In { ptr: x.as_ptr(), strides: &far };
                gather(shape, dim, extent, x, index, Out { ptr: y.as_mut_ptr(), strides: &strides }).unwrap();
                let src = In { ptr: src.as_ptr(), strides: &strides };
                let to = Out { ptr: sum.as_mut_ptr(), strides: &far };
                scatter_add(shape, dim, extent, index, src, to).unwrap();
            }
            assert_eq!(y, picked, "gather {shape:?} {dim} on {threads}");
            assert_eq!(sum, added, "scatter_add {shape:?} {dim} on {threads}");
        }
    }
}

#[test]
fn rows_match_the_general_form() {
    for &(shape, dim, extent) in CASES {
        let n: usize = shape.iter().product();
        let other = with(shape, dim, extent);
        let (strides, far) = (row_major(shape), row_major(&other));
        let index: Vec<i64> = (0..shape[dim]).map(|i| (i * 7 % extent) as i64).collect();
        let mut repeated = vec![0; shape.len()];
        repeated[dim] = 1;
        let x: Vec<i64> = (0..other.iter().product::<usize>() as i64).collect();
        let src: Vec<i64> = (0..n as i64).map(|i| i * i).collect();
        let (mut a, mut b, mut c, mut d) = (vec![0; n], vec![0; n], x.clone(), x.clone());
        // SAFETY: all buffers are contiguous and as large as their shapes.
        unsafe {
            let full = In { ptr: index.as_ptr(), strides: &repeated };
            let x = In { ptr: x.as_ptr(), strides: &far };
            gather(shape, dim, extent, x, full, Out { ptr: a.as_mut_ptr(), strides: &strides }).unwrap();
            let y = Out { ptr: b.as_mut_ptr(), strides: &strides };
            index_select(shape, dim, extent, x, (index.as_ptr(), 1), y).unwrap();
            let src = In { ptr: src.as_ptr(), strides: &strides };
            scatter_add(shape, dim, extent, full, src, Out { ptr: c.as_mut_ptr(), strides: &far }).unwrap();
            let y = Out { ptr: d.as_mut_ptr(), strides: &far };
            index_add(shape, dim, extent, (index.as_ptr(), 1), src, y).unwrap();
        }
        assert_eq!(a, b);
        assert_eq!(c, d);
        let expected = (0..n).map(|at| {
            let (offset, along) = place(at, shape, &far, dim);
            (offset as i64) + (index[along] - along as i64) * far[dim] as i64
        });
        assert!(a.into_iter().eq(expected), "{shape:?} {dim}");
    }
}

#[test]
fn the_first_bad_index_is_named() {
    let shape = [200, 300];
    let strides = row_major(&shape);
    for (dim, bad) in [(0, -1i64), (0, 7), (1, i64::MAX), (1, i64::MIN)] {
        for threads in [1, 3] {
            pool::set_num_threads(threads);
            let mut index = vec![1i64; 60_000];
            (index[31_234], index[31_235], index[59_000]) = (bad, 100, 1000);
            let other = with(&shape, dim, 5);
            let far = row_major(&other);
            let x = vec![1f64; other.iter().product()];
            let (mut y, mut sum) = (vec![0f64; 60_000], x.clone());
            // SAFETY: all buffers are contiguous and as large as their shapes.
            unsafe {
                let index = In { ptr: index.as_ptr(), strides: &strides };
                let from = In { ptr: x.as_ptr(), strides: &far };
                let to = Out { ptr: y.as_mut_ptr(), strides: &strides };
                assert_eq!(gather(&shape, dim, 5, from, index, to), Err(BadIndex { value: bad }));
                let src = In { ptr: y.as_ptr(), strides: &strides };
                let to = Out { ptr: sum.as_mut_ptr(), strides: &far };
                assert_eq!(scatter_add(&shape, dim, 5, index, src, to), Err(BadIndex { value: bad }));
            }
        }
    }
}
