//! Copies into the order in which tiles read.
use super::blocking::{Tile, items};
use super::multiply::Multiply;
use super::pairs::Lines;
use super::{GemmElem, Single, Sum, Vector};
use crate::simd::{self, FloatVec, Kernel, Simd};
use crate::transpose;
use std::marker::PhantomData;

/// Panels packed side by side.
pub(super) const PANELS: usize = 4;

/// How many rows early they are fetched.
const ROWS_AHEAD: isize = 2;

/// Panels of `b`: `k` rows of a tile's columns, one after the other. What is beyond `n` in the last is left as it was.
pub(super) struct PackPanels<E: GemmElem, D> {
    /// Columns of all panels.
    pub n: usize,
    pub k: usize,
    pub b: *const E,
    pub b_rs: isize,
    pub b_cs: isize,
    pub to: *mut Sum<E>,
    pub multiply: PhantomData<D>,
}

impl<E: GemmElem, D: Multiply<Sum<E>>> Kernel for PackPanels<E, D> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        let &Self { n, k, b, b_rs, b_cs, to, .. } = &self;
        let depth = items::<E, D>(k);
        // SAFETY: the source is inside `b`, the target holds all panels. What is computed with is one type with its sums.
        unsafe {
            if E::IS_COMPUTE && b_cs == 1 {
                return copy_rows::<S, Sum<E>>(simd, n, k, b.cast(), b_rs, to);
            }
            for first in (0..n).step_by(panel) {
                let (n, to) = (panel.min(n - first), to.add(first * depth));
                let b = b.offset(first as isize * b_cs);
                if !E::IS_COMPUTE {
                    // The last panel is as wide as the others, whatever it holds.
                    let (line, step, widens) = (b_cs, b_rs, !D::IS_PAIR);
                    Lines { n, high: panel, wide: panel, k, from: b, line, step, widens }.pack(simd, to);
                } else if b_rs == 1 {
                    transpose::panel(simd, n, k, b.cast(), b_cs, to, panel);
                } else {
                    for k in 0..k {
                        for j in 0..n {
                            *to.add(k * panel + j) =
                                *b.cast::<Sum<E>>().offset(k as isize * b_rs + j as isize * b_cs);
                        }
                    }
                }
            }
        }
    }
}

/// Rows which are close, through all panels each: memory likes long rows.
#[inline(always)]
unsafe fn copy_rows<S: Simd, T: Single>(simd: S, n: usize, k: usize, b: *const T, b_rs: isize, to: *mut T) {
    let (lanes, panel) = (T::Vec::<S>::LANES, Tile::<S, T>::COLUMNS);
    for row in 0..k {
        let from = b.wrapping_offset(row as isize * b_rs);
        for j in (0..n).step_by(lanes) {
            simd::prefetch(from.wrapping_offset(ROWS_AHEAD * b_rs).wrapping_add(j));
            // SAFETY: promised by whoever made the panels.
            unsafe {
                let to = to.add(j / panel * panel * k + row * panel + j % panel);
                if n - j >= lanes {
                    T::Vec::<S>::load(simd, from.add(j)).store(to);
                } else {
                    T::Vec::<S>::load_first(simd, from.add(j), n - j).store_first(to, n - j);
                }
            }
        }
    }
}

/// Some rows of `a`, tile after tile; in a tile column after column, [`row_step`] apart.
pub(super) struct PackRows<E: GemmElem, D> {
    pub m: usize,
    /// Rows of a tile; the last may have fewer.
    pub high: usize,
    pub k: usize,
    pub a: *const E,
    pub a_rs: isize,
    pub a_cs: isize,
    pub to: *mut Sum<E>,
    pub multiply: PhantomData<D>,
}

/// From column to column of a tile.
pub(super) fn row_step(rows: usize) -> usize {
    rows.next_multiple_of(4)
}

impl<E: GemmElem, D: Multiply<Sum<E>>> Kernel for PackRows<E, D> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let &Self { m, high, k, a, a_rs, a_cs, to, .. } = &self;
        let (lanes, depth) = (Vector::<E, S>::LANES, row_step(high) * items::<E, D>(k));
        let tiles = || (0..m).step_by(high).enumerate();
        let size = |first: usize| high.min(m - first);
        // SAFETY: the source is inside `a`, the target holds all tiles.
        unsafe {
            if !E::IS_COMPUTE {
                let lines =
                    Lines { n: m, high, wide: 0, k, from: a, line: a_rs, step: a_cs, widens: !D::IS_PAIR };
                return lines.pack(simd, to);
            }
            // These are one type.
            let a = a.cast::<Sum<E>>();
            if a_cs == 1 {
                for (tile, first) in tiles() {
                    let (n, to) = (size(first), to.add(tile * depth));
                    transpose::panel(simd, n, k, a.offset(first as isize * a_rs), a_rs, to, row_step(n));
                }
            } else if a_rs == 1 {
                // Tiles innermost: they read from the same cache lines.
                for k in 0..k {
                    for (tile, first) in tiles() {
                        let n = size(first);
                        let from = a.offset(k as isize * a_cs).add(first);
                        let to = to.add(tile * depth + k * row_step(n));
                        for j in (0..n).step_by(lanes) {
                            let n = lanes.min(n - j);
                            let some = Vector::<E, S>::load_first(simd, from.add(j), n);
                            some.store_first(to.add(j), n);
                        }
                    }
                }
            } else {
                for (tile, first) in tiles() {
                    for k in 0..k {
                        for r in 0..size(first) {
                            let at = (first + r) as isize * a_rs + k as isize * a_cs;
                            *to.add(tile * depth + k * row_step(size(first)) + r) = *a.offset(at);
                        }
                    }
                }
            }
        }
    }
}
