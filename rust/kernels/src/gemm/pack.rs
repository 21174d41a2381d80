//! Copies into the order in which tiles read.
use super::blocking::{Tile, VECTORS, items};
use super::pairs::Lines;
use super::tile::Multiply;
use super::{GemmElem, Single, Sum, Vector};
use crate::simd::{FloatVec, Kernel, Simd};
use crate::transpose;
use std::marker::PhantomData;

/// A panel of `b`: `k` rows of a tile's columns, one after the other. Columns beyond `n` are left as they were.
pub(super) struct PackPanel<E: GemmElem, D> {
    pub n: usize,
    pub k: usize,
    pub b: *const E,
    pub b_rs: isize,
    pub b_cs: isize,
    pub to: *mut Sum<E>,
    pub multiply: PhantomData<D>,
}

impl<E: GemmElem, D: Multiply<Sum<E>>> Kernel for PackPanel<E, D> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        let &Self { n, k, b, b_rs, b_cs, to, .. } = &self;
        // SAFETY: the source is inside `b`, the target holds `k` rows of a panel.
        unsafe {
            if !E::IS_COMPUTE {
                // The last panel is as wide as the others, whatever it holds.
                let lines = Lines {
                    n,
                    high: panel,
                    wide: panel,
                    k,
                    from: b,
                    line: b_cs,
                    step: b_rs,
                    widens: !D::IS_PAIR,
                };
                return lines.pack(simd, to);
            }
            // These are one type.
            let b = b.cast::<Sum<E>>();
            if b_cs == 1 {
                copy_rows::<S, Sum<E>>(simd, n, k, b, b_rs, to);
            } else if b_rs == 1 {
                transpose::panel(simd, n, k, b, b_cs, to, panel);
            } else {
                for k in 0..k {
                    for j in 0..n {
                        *to.add(k * panel + j) = *b.offset(k as isize * b_rs + j as isize * b_cs);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn copy_rows<S: Simd, T: Single>(simd: S, n: usize, k: usize, b: *const T, b_rs: isize, to: *mut T) {
    let lanes = T::Vec::<S>::LANES;
    for k in 0..k {
        // SAFETY: promised by whoever made the panel.
        unsafe {
            let (from, to) = (b.offset(k as isize * b_rs), to.add(k * Tile::<S, T>::COLUMNS));
            if n == VECTORS * lanes {
                for v in 0..VECTORS {
                    T::Vec::<S>::load(simd, from.add(v * lanes)).store(to.add(v * lanes));
                }
            } else {
                for j in (0..n).step_by(lanes) {
                    let n = lanes.min(n - j);
                    T::Vec::<S>::load_first(simd, from.add(j), n).store_first(to.add(j), n);
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
