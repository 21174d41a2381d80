//! Copies into the order in which tiles read.
use super::GemmElem;
use super::blocking::{Tile, VECTORS};
use crate::simd::{FloatVec, Kernel, Simd};

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
                transpose(self.n, self.k, self.b, self.b_cs, self.to, panel);
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

/// A few rows of `a`, column after column.
pub(super) struct PackRows<T> {
    pub m: usize,
    pub k: usize,
    pub a: *const T,
    pub a_rs: isize,
    pub a_cs: isize,
    pub to: *mut T,
}

impl<T: GemmElem> Kernel for PackRows<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = T::Vec::<S>::LANES;
        // SAFETY: the source is inside `a`, the target holds `k` columns of `m`.
        unsafe {
            if self.a_cs == 1 {
                transpose(self.m, self.k, self.a, self.a_rs, self.to, self.m);
            } else if self.a_rs == 1 {
                for k in 0..self.k {
                    let (from, to) = (self.a.offset(k as isize * self.a_cs), self.to.add(k * self.m));
                    for j in (0..self.m).step_by(lanes) {
                        let n = lanes.min(self.m - j);
                        T::Vec::<S>::load_first(simd, from.add(j), n).store_first(to.add(j), n);
                    }
                }
            } else {
                for k in 0..self.k {
                    for r in 0..self.m {
                        let at = r as isize * self.a_rs + k as isize * self.a_cs;
                        *self.to.add(k * self.m + r) = *self.a.offset(at);
                    }
                }
            }
        }
    }
}

/// The edge of the blocks that are transposed in registers.
const EDGE: usize = 4;

/// `to[k][j] = from[j][k]`, for `j < n`; strides of the first index.
///
/// # Safety
/// Both matrices must be valid and not overlap.
#[inline(always)]
unsafe fn transpose<T: Copy>(n: usize, k: usize, from: *const T, from_s: isize, to: *mut T, to_s: usize) {
    let mut j = 0;
    while j + EDGE <= n {
        let from = from.wrapping_offset(j as isize * from_s);
        let mut i = 0;
        while i + EDGE <= k {
            // SAFETY: a whole block is inside both.
            unsafe {
                let lines: [[T; EDGE]; EDGE] = std::array::from_fn(|r| {
                    from.offset(r as isize * from_s).add(i).cast::<[T; EDGE]>().read()
                });
                // One index runs over the block's columns and the target's rows alike.
                #[allow(clippy::needless_range_loop)]
                for c in 0..EDGE {
                    let line: [T; EDGE] = std::array::from_fn(|r| lines[r][c]);
                    to.add((i + c) * to_s + j).cast::<[T; EDGE]>().write(line);
                }
            }
            i += EDGE;
        }
        for i in i..k {
            for r in 0..EDGE {
                // SAFETY: inside both.
                unsafe { *to.add(i * to_s + j + r) = *from.offset(r as isize * from_s).add(i) };
            }
        }
        j += EDGE;
    }
    for j in j..n {
        for i in 0..k {
            // SAFETY: inside both.
            unsafe { *to.add(i * to_s + j) = *from.offset(j as isize * from_s).add(i) };
        }
    }
}
