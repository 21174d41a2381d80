//! Two operands of which one lies across the other and the result: turned in registers on its way, sixteen by sixteen.
use super::Formula;
use super::rows::{ACROSS, Rows};
use crate::simd::{Float, FloatVec, Kernel, Level, Simd};
use crate::transpose::{SQUARE as EDGE, can_turn, turn};

/// Whether a formula has squares at a level: where loads and stores are what takes time.
#[inline(always)]
pub(super) fn pay<T, F: Formula<N>, const N: usize>(level: Level) -> bool {
    N == 2 && F::WEIGHT == 1 && can_turn::<T>(level)
}

/// Rows of which operand `K` lies [`ACROSS`]; the other, and the result, are contiguous.
pub(super) struct Squares<T, F, const N: usize, const K: usize> {
    pub f: F,
    pub rows: Rows<T, T, N>,
}

impl<T: Float, F: Formula<N>, const N: usize, const K: usize> Kernel for Squares<T, F, N, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Nothing is left of this where nobody calls it.
        if !pay::<T, F, N>(S::LEVEL) {
            return;
        }
        debug_assert!(self.rows.step[K] == ACROSS && self.rows.step[1 - K] == 1);
        let Rows { count, n, .. } = self.rows;
        for r in (0..count).step_by(EDGE) {
            for c in (0..n).step_by(EDGE) {
                // SAFETY: rows as `Rows` describes them.
                unsafe {
                    if r + EDGE <= count && c + EDGE <= n {
                        self.whole(simd, r, c);
                    } else {
                        self.part(simd, r, c, EDGE.min(count - r), EDGE.min(n - c));
                    }
                }
            }
        }
    }
}

impl<T: Float, F: Formula<N>, const N: usize, const K: usize> Squares<T, F, N, K> {
    /// Where column `c` of the operand that lies across has its element of row `r`.
    #[inline(always)]
    fn across(&self, r: usize, c: usize) -> *const T {
        self.rows.x[K].wrapping_offset(c as isize * self.rows.down[K] + r as isize)
    }

    /// Where the other, and the result, have theirs.
    #[inline(always)]
    fn along(&self, r: usize, c: usize) -> (*const T, *mut T) {
        let Rows { x, down, y, y_down, .. } = self.rows;
        let at = |down: isize| r as isize * down + c as isize;
        (x[1 - K].wrapping_offset(at(down[1 - K])), y.wrapping_offset(at(y_down)))
    }

    #[inline(always)]
    unsafe fn whole<S: Simd>(&self, simd: S, r: usize, c: usize) {
        let mut lines = [T::Vec::<S>::zero(simd); EDGE];
        // SAFETY: promised by the caller.
        unsafe {
            for (i, line) in lines.iter_mut().enumerate() {
                *line = T::Vec::<S>::load(simd, self.across(r, c + i));
            }
            let mut lines = turn(lines);
            // All is read before anything is written: a load waits for a store that lies alike in its page.
            for (i, line) in lines.iter_mut().enumerate() {
                let mut v = [*line; N];
                v[1 - K] = T::Vec::<S>::load(simd, self.along(r + i, c).0);
                *line = self.f.eval(v);
            }
            for (i, line) in lines.into_iter().enumerate() {
                line.store(self.along(r + i, c).1);
            }
        }
    }

    /// A square at an edge.
    #[inline(always)]
    unsafe fn part<S: Simd>(&self, simd: S, r: usize, c: usize, high: usize, wide: usize) {
        let mut lines = [T::Vec::<S>::zero(simd); EDGE];
        // SAFETY: promised by the caller.
        unsafe {
            for (i, line) in lines.iter_mut().enumerate().take(wide) {
                *line = T::Vec::<S>::load_first(simd, self.across(r, c + i), high);
            }
            for (i, line) in turn(lines).into_iter().enumerate().take(high) {
                let (x, y) = self.along(r + i, c);
                let mut v = [line; N];
                v[1 - K] = T::Vec::<S>::load_first(simd, x, wide);
                self.f.eval(v).store_first(y, wide);
            }
        }
    }
}
