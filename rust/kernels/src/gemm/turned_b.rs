//! Few rows of `a`, and a `b` whose rows are close and not its columns, as in a linear layer of a small batch: turned in
//! registers on its way to the sums, sixteen by sixteen, where packing it would take longer than all products.
use super::Single;
use super::tile::Strip;
use crate::simd::{FloatVec, Simd};
use crate::transpose::{SQUARE, turn};

/// The sums of `columns` columns, at most a vector.
///
/// # Safety
/// The tile is inside the matrices; [`can_turn`](crate::transpose::can_turn).
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, T: Single, const R: usize, const ROWS_ARE_CLOSE: bool>(
    simd: S,
    strip: &Strip<'_, T>,
    columns: usize,
) -> [[T::Vec<S>; 1]; R] {
    let (a_rs, a_cs) = if ROWS_ARE_CLOSE { (1, strip.a_step) } else { (strip.a_step, 1) };
    let mut sums = [[T::Vec::<S>::zero(simd)]; R];
    let (mut a, mut b) = (strip.a, strip.b);
    for done in (0..strip.k).step_by(SQUARE) {
        let depth = SQUARE.min(strip.k - done);
        let mut lines = [T::Vec::<S>::zero(simd); SQUARE];
        // SAFETY: inside the matrices: what is beyond the last column is that one again.
        unsafe {
            for (j, line) in lines.iter_mut().enumerate() {
                let from = b.wrapping_offset(j.min(columns - 1) as isize * strip.b_rs);
                *line = if depth == SQUARE {
                    T::Vec::<S>::load(simd, from)
                } else {
                    T::Vec::<S>::load_first(simd, from, depth)
                };
            }
            for (i, row) in turn(lines).into_iter().enumerate() {
                if i < depth {
                    for (r, sum) in sums.iter_mut().enumerate() {
                        let at = i as isize * a_cs + r as isize * a_rs;
                        sum[0] = T::Vec::<S>::splat(simd, *a.wrapping_offset(at)).mul_add(row, sum[0]);
                    }
                }
            }
        }
        a = a.wrapping_offset(SQUARE as isize * a_cs);
        b = b.wrapping_add(SQUARE);
    }
    sums
}
