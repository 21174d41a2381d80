//! Products with the sums of their rows.
use super::*;
use crate::operand::Out;
use crate::reduce::{self, ReduceElem};

/// The sums of all rows of `a` by a reduction of its own.
fn alone<T: GemmElem + ReduceElem>(m: usize, k: usize, a: &Matrix<T>) -> Vec<T> {
    let mut sums = vec![narrow(f64::NAN); m];
    let mut scratch = vec![0u8; reduce::workspace::<T>(&[m], &[k]) + 1];
    let out = Out { ptr: sums.as_mut_ptr(), strides: &[1] };
    let a_ptr = a.data[a.first..].as_ptr();
    // SAFETY: the matrix and the sums are as large as said.
    unsafe { reduce::reduce(reduce::Sum, &[m], &[k], a_ptr, &[a.rs], &[a.cs], out, scratch.as_mut_ptr()) };
    sums
}

fn check<T: GemmElem + ReduceElem>(case: Case) {
    const STEP: usize = 3;
    let Case { m, n, k, .. } = case;
    let [a, b, mut c, bias] = case.operands::<T>();
    let old = |i| if case.beta == 0.0 { f64::NAN } else { noise(i, 9) };
    let mut sums: Vec<T> = (0..m * STEP).map(|i| narrow(old(i))).collect();
    let problem = case.problem(&a, &b, &mut c, &bias, None);
    let mut scratch = vec![0u8; workspace::<T>(m, n, k, false) + 1];
    let mut room = vec![0u64; row_sums_workspace::<T>(m, k).div_ceil(8)];
    let out = Out { ptr: sums.as_mut_ptr(), strides: &[STEP as isize] };
    // SAFETY: the matrices and the sums are as large as said; the scratch is misaligned on purpose.
    unsafe { gemm_and_row_sums(&problem, out, scratch.as_mut_ptr().add(1), room.as_mut_ptr().cast()) };
    assert!(c.values(m, n) == case.run::<T>().values(m, n), "{case:?}");
    for (i, sum) in alone(m, k, &a).into_iter().enumerate() {
        let was = if case.beta == 0.0 { 0.0 } else { widen::<T>(narrow(old(i * STEP))) };
        // One addition of the dtype, or of float32 rounded.
        let added = T::Compute::from_f64(was) + T::Compute::from_f64(widen(sum));
        let want = if case.beta == 0.0 { sum } else { narrow(added.to_f64()) };
        assert_eq!(widen(sums[i * STEP]), widen(want), "row {i} of {case:?}");
    }
}

#[test]
fn sums_of_rows_beside_a_product() {
    // One for each way to share out a product, and long rows, whose sums have several parts.
    let sizes = [
        (3, 5, 4),
        (1, 30, 9),
        (40, 1, 9),
        (300, 64, 40),
        (256, 784, 128),
        (257, 130, 300),
        (10, 300, 256),
        (24, 40, 9000),
        (200, 16, 5000),
        (7, 0, 20),
        (7, 20, 0),
    ];
    everywhere(&[1, 3], || {
        for (m, n, k) in sizes {
            for a in [Layout::Columns, Layout::Rows, Layout::Strided] {
                for (c, beta) in [(Layout::Rows, 0.0), (Layout::Rows, 1.0), (Layout::Columns, 1.0)] {
                    let case = Case { layouts: [a, Layout::Rows, c], beta, ..Case::plain(m, n, k) };
                    check::<f32>(case);
                    check::<f64>(case);
                    check::<bf16>(case);
                }
            }
        }
    });
}

/// Whose last rows are tasks by themselves.
#[test]
fn sums_of_rows_beside_a_long_product() {
    for level in available() {
        for beta in [0.0, 1.0] {
            // Each time, since other tests set it too.
            pool::set_num_threads(3);
            let layouts = [Layout::Columns, Layout::Rows, Layout::Rows];
            let case = Case { layouts, beta, ..Case::plain(1800, 180, 300) };
            with_level(level, || {
                check::<f32>(case);
                check::<f64>(case);
                check::<bf16>(case);
            });
        }
    }
}
