//! Copies into the order in which tiles read.
use super::GemmElem;
use super::blocking::{Tile, VECTORS};
use crate::simd::{FloatVec, Kernel, Simd};
use crate::transpose;

/// A panel of `b`: `k` rows of a tile's columns, one after the other. Columns beyond `n` are left as they were.
pub(super) struct PackPanel<T> {
    pub n: usize,
    pub k: usize,
    pub b: *const T,
    pub b_rs: isize,
    pub b_cs: isize,
    pub to: *mut T,
}

impl<T: GemmElem> Kernel for PackPanel<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let panel = Tile::<S, T>::COLUMNS;
        // SAFETY: the source is inside `b`, the target holds `k` rows of a panel.
        unsafe {
            if self.b_cs == 1 {
                self.copy_rows(simd);
            } else if self.b_rs == 1 {
                transpose::panel(simd, self.n, self.k, self.b, self.b_cs, self.to, panel);
            } else {
                for k in 0..self.k {
                    for j in 0..self.n {
                        let at = k as isize * self.b_rs + j as isize * self.b_cs;
                        *self.to.add(k * panel + j) = *self.b.offset(at);
                    }
                }
            }
        }
    }
}

impl<T: GemmElem> PackPanel<T> {
    #[inline(always)]
    unsafe fn copy_rows<S: Simd>(&self, simd: S) {
        let lanes = T::Vec::<S>::LANES;
        for k in 0..self.k {
            // SAFETY: promised by whoever made the panel.
            unsafe {
                let (from, to) =
                    (self.b.offset(k as isize * self.b_rs), self.to.add(k * Tile::<S, T>::COLUMNS));
                if self.n == VECTORS * lanes {
                    for v in 0..VECTORS {
                        T::Vec::<S>::load(simd, from.add(v * lanes)).store(to.add(v * lanes));
                    }
                } else {
                    for j in (0..self.n).step_by(lanes) {
                        let n = lanes.min(self.n - j);
                        T::Vec::<S>::load_first(simd, from.add(j), n).store_first(to.add(j), n);
                    }
                }
            }
        }
    }
}

/// Some rows of `a`, tile after tile; in a tile column after column, [`row_step`] apart.
pub(super) struct PackRows<T> {
    pub m: usize,
    /// Rows of a tile; the last may have fewer.
    pub high: usize,
    pub k: usize,
    pub a: *const T,
    pub a_rs: isize,
    pub a_cs: isize,
    pub to: *mut T,
}

/// From column to column of a tile.
pub(super) fn row_step(rows: usize) -> usize {
    rows.next_multiple_of(4)
}

impl<T: GemmElem> Kernel for PackRows<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (lanes, depth) = (T::Vec::<S>::LANES, row_step(self.high) * self.k);
        let tiles = || (0..self.m).step_by(self.high).enumerate();
        let size = |first: usize| self.high.min(self.m - first);
        // SAFETY: the source is inside `a`, the target holds all tiles.
        unsafe {
            if self.a_cs == 1 {
                for (tile, first) in tiles() {
                    let (n, to) = (size(first), self.to.add(tile * depth));
                    let from = self.a.offset(first as isize * self.a_rs);
                    transpose::panel(simd, n, self.k, from, self.a_rs, to, row_step(n));
                }
            } else if self.a_rs == 1 {
                // Tiles innermost: they read from the same cache lines.
                for k in 0..self.k {
                    for (tile, first) in tiles() {
                        let n = size(first);
                        let from = self.a.offset(k as isize * self.a_cs).add(first);
                        let to = self.to.add(tile * depth + k * row_step(n));
                        for j in (0..n).step_by(lanes) {
                            let n = lanes.min(n - j);
                            T::Vec::<S>::load_first(simd, from.add(j), n).store_first(to.add(j), n);
                        }
                    }
                }
            } else {
                for (tile, first) in tiles() {
                    for k in 0..self.k {
                        for r in 0..size(first) {
                            let at = (first + r) as isize * self.a_rs + k as isize * self.a_cs;
                            *self.to.add(tile * depth + k * row_step(size(first)) + r) = *self.a.offset(at);
                        }
                    }
                }
            }
        }
    }
}
