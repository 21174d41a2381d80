//! What happens to a tile of sums on its way to `c`.
use super::{Activation, GemmElem};
use crate::operand::Shared;
use crate::simd::{FloatVec, Kernel, Simd};

/// How sums of one block of `k` become part of `c`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish<T> {
    pub alpha: T,
    /// The factor of what `c` holds, where it is read.
    pub beta: T,
    pub reads_c: bool,
    /// Null for none. Added in the last block, one a column or one a row.
    pub bias: Shared<*const T>,
    pub bias_rs: isize,
    pub bias_cs: isize,
    pub activation: Activation,
}

impl<T: GemmElem> Finish<T> {
    /// Whether it can be done on the way from registers to a `c` whose columns are close: that is, where the sums are
    /// stored, with a bias that is close along columns and an activation, or where they are added to `c`.
    pub fn is_plain(&self) -> bool {
        let one = T::from_f64(1.0);
        let has_bias = !self.bias.get().is_null();
        let is_last = has_bias || self.activation != Activation::None;
        let adds = self.reads_c && self.beta == one && !is_last;
        let stores = !self.reads_c && (!has_bias || (self.bias_rs, self.bias_cs) == (0, 1));
        self.alpha == one && (adds || stores)
    }
}

/// A tile of sums that takes the long way.
pub(super) struct FinishTile<'a, T> {
    pub finish: &'a Finish<T>,
    /// Rows of `stride` sums.
    pub sums: *const T,
    pub stride: usize,
    pub rows: usize,
    pub columns: usize,
    /// Where the tile is in the whole.
    pub row: usize,
    pub column: usize,
    pub c: *mut T,
    pub c_rs: isize,
    pub c_cs: isize,
}

impl<T: GemmElem> Kernel for FinishTile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = T::Vec::<S>::LANES;
        for r in 0..self.rows {
            for j in (0..self.columns).step_by(lanes) {
                let n = lanes.min(self.columns - j);
                // SAFETY: the tile is inside `c`, and `sums` has whole vectors.
                unsafe { self.vector(simd, r, j, n) };
            }
        }
    }
}

impl<T: GemmElem> FinishTile<'_, T> {
    /// Finishes `n` elements of row `r` from column `j` on.
    #[inline(always)]
    unsafe fn vector<S: Simd>(&self, simd: S, r: usize, j: usize, n: usize) {
        let finish = self.finish;
        // SAFETY: as promised by whoever made the tile.
        unsafe {
            let c = self.c.offset(r as isize * self.c_rs + j as isize * self.c_cs);
            let sums = T::Vec::<S>::load(simd, self.sums.add(r * self.stride + j));
            let alpha = T::Vec::<S>::splat(simd, finish.alpha);
            let mut value = if finish.reads_c {
                let beta = T::Vec::<S>::splat(simd, finish.beta);
                alpha.mul_add(sums, beta * load::<T::Vec<S>>(simd, c, self.c_cs, n))
            } else {
                alpha * sums
            };
            if !finish.bias.get().is_null() {
                let (row, column) = ((self.row + r) as isize, (self.column + j) as isize);
                let bias = finish.bias.get().offset(row * finish.bias_rs + column * finish.bias_cs);
                value = value + load::<T::Vec<S>>(simd, bias, finish.bias_cs, n);
            }
            if finish.activation == Activation::Relu {
                // In this order a NaN stays.
                value = T::Vec::<S>::zero(simd).max(value);
            }
            store(value, c, self.c_cs, n);
        }
    }
}

/// Reads `n` elements, `stride` apart.
#[inline(always)]
unsafe fn load<V: FloatVec>(simd: V::Token, ptr: *const V::Elem, stride: isize, n: usize) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        match stride {
            0 => V::splat(simd, *ptr),
            1 if n == V::LANES => V::load(simd, ptr),
            1 => V::load_first(simd, ptr, n),
            _ => {
                let mut buffer = [V::Elem::default(); crate::simd::MAX_LANES];
                for (i, lane) in buffer.iter_mut().enumerate().take(n) {
                    *lane = *ptr.offset(i as isize * stride);
                }
                V::load(simd, buffer.as_ptr())
            }
        }
    }
}

/// Writes `n` elements, `stride` apart.
#[inline(always)]
unsafe fn store<V: FloatVec>(value: V, ptr: *mut V::Elem, stride: isize, n: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        if stride == 1 {
            return if n == V::LANES { value.store(ptr) } else { value.store_first(ptr, n) };
        }
        let mut buffer = [V::Elem::default(); crate::simd::MAX_LANES];
        value.store(buffer.as_mut_ptr());
        for (i, lane) in buffer.iter().enumerate().take(n) {
            *ptr.offset(i as isize * stride) = *lane;
        }
    }
}
