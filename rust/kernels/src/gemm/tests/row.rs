//! Products of one row.
use super::*;

/// The arithmetic of one row, in plain Rust: chains of four products, groups of chains of 16 bytes, one sum after another.
#[test]
fn bits_of_one_row_follow_the_promise() {
    fn check<T: GemmElem>(fma: impl Fn(T::Compute, T::Compute, T::Compute) -> T::Compute) {
        let (chains, group) = (64 / size_of::<T::Compute>(), 16 / size_of::<T::Compute>());
        let zero = T::Compute::default();
        let sum_of = |a: &[T::Compute], b: &[T::Compute]| {
            let mut sum = zero;
            for block in (0..a.len()).step_by(4 * chains) {
                let end = a.len().min(block + 4 * chains);
                for first in (block..block + chains).step_by(group) {
                    let chain = |k: usize| (k..end).step_by(chains).fold(zero, |sum, k| fma(a[k], b[k], sum));
                    sum = sum + (first..first + group).map(chain).fold(zero, |sum, chain| sum + chain);
                }
            }
            sum
        };
        for k in [0, 1, 3, 15, 16, 17, 31, 33, 63, 64, 65, 80, 100, 127, 128, 129, 192, 200, 300, 515] {
            // Rows of whole cache lines too: they are read from where vectors lie within lines.
            for n in [1, 2, 3, 5, 16, 37, 64, 160, 300] {
                let case = Case::plain(1, n, k);
                let [a, b, ..] = case.operands::<T>();
                let row: Vec<_> = (0..k).map(|p| a.data[a.at(0, p)].widen()).collect();
                let want: Vec<f64> = (0..n)
                    .map(|j| (0..k).map(|p| b.data[b.at(p, j)].widen()).collect::<Vec<_>>())
                    .map(|column| widen(T::narrow(sum_of(&row, &column))))
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
