//! Products of one row.
use super::*;

/// The arithmetic of one row, in plain Rust: in a block of `k` chains of four products, groups of chains of 16 bytes, group
/// after group and piece after piece; then block after block.
#[test]
fn bits_of_one_row_follow_the_promise() {
    fn check<T: GemmElem>(fma: impl Fn(T::Compute, T::Compute, T::Compute) -> T::Compute) {
        let (chains, group) = (64 / size_of::<T::Compute>(), 16 / size_of::<T::Compute>());
        let zero = T::Compute::default();
        let sum_of = |a: &[T::Compute], b: &[T::Compute]| {
            let mut sum = zero;
            for piece in (0..a.len()).step_by(4 * chains) {
                let end = a.len().min(piece + 4 * chains);
                let groups = (piece..piece + chains).step_by(group).map(|first| {
                    let chain = |k: usize| (k..end).step_by(chains).fold(zero, |sum, k| fma(a[k], b[k], sum));
                    (first..first + group).map(chain).fold(zero, |sum, chain| sum + chain)
                });
                sum = sum + groups.fold(zero, |sum, group| sum + group);
            }
            sum
        };
        let (alpha, beta) = (T::Compute::from_f64(3.0), T::Compute::from_f64(0.5));
        let element = |a: &[T::Compute], b: &[T::Compute], c: T::Compute| {
            let block = gemv::k_block::<T>(a.len()).max(1);
            let sums = a.chunks(block).zip(b.chunks(block)).map(|(a, b)| sum_of(a, b));
            let sums = if a.is_empty() { vec![zero] } else { sums.collect() };
            sums.into_iter().fold(beta * c, |value, sum| fma(alpha, sum, value))
        };
        for k in
            [0, 1, 3, 15, 16, 17, 31, 33, 63, 64, 65, 80, 100, 127, 128, 129, 192, 200, 300, 515, 1100, 2100]
        {
            // Rows of whole cache lines too: they are read from where vectors lie within lines.
            for n in [1, 2, 3, 5, 16, 20, 30, 37, 64, 160, 300] {
                if k > 600 && n > 64 {
                    continue;
                }
                let case = Case { alpha: 3.0, beta: 0.5, ..Case::plain(1, n, k) };
                let [a, b, c, _] = case.operands::<T>();
                let row: Vec<_> = (0..k).map(|p| a.data[a.at(0, p)].widen()).collect();
                let want: Vec<f64> = (0..n)
                    .map(|j| (0..k).map(|p| b.data[b.at(p, j)].widen()).collect::<Vec<_>>())
                    .zip(0..)
                    .map(|(column, j)| element(&row, &column, c.data[c.at(0, j)].widen()))
                    .map(|value| widen(T::narrow(value)))
                    .collect();
                for layout in LAYOUTS.into_iter().chain([Layout::OffLine]) {
                    let case = Case { layouts: [Layout::Rows, layout, Layout::Rows], ..case };
                    let strided = Case { layouts: [Layout::Strided, layout, Layout::Strided], ..case };
                    for case in [case, strided] {
                        assert!(case.run::<T>().values(1, n) == want, "{case:?}");
                    }
                }
            }
        }
    }
    for level in available().filter(|&level| level != Level::Portable) {
        with_level(level, || {
            check::<f32>(f32::mul_add);
            check::<f64>(f64::mul_add);
            check::<bf16>(f32::mul_add);
        });
    }
}

/// Columns of a matrix that no cache holds are asked for early; those of half of it are not.
#[test]
fn bits_of_one_row_are_those_of_a_matrix_half_as_wide() {
    let (n, k) = (1030, 2100);
    everywhere(&[1, 3], || {
        let values = |n| {
            let case =
                Case { layouts: [Layout::Rows, Layout::Columns, Layout::Rows], ..Case::plain(1, n, k) };
            case.run::<f32>().values(1, n)
        };
        assert!(values(n)[..n / 2] == values(n / 2));
    });
}
