//! Normalisation of rows: each brought to mean 0 and variance 1, then scaled and shifted column by column.
//!
//! Mean and variance are taken one after the other while the row is in the first caches; 16-bit floats are computed in
//! `f32`. A row's sums run over fixed lanes and blocks, those over rows (the gradients of scale and shift) over chunks of
//! rows that the shape alone determines.
mod backward;
mod forward;
mod load;
#[cfg(test)]
mod tests;

use crate::row::{LANES, RowIn};

pub use backward::{Gradients, layer_norm_backward, workspace};
pub use forward::{Statistics, layer_norm};

/// A matrix that is read, its rows to be normalised.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<T> {
    /// How many rows.
    pub rows: usize,
    /// How many elements each has.
    pub columns: usize,
    /// The first element.
    pub ptr: *const T,
    /// The steps from row to row and from column to column.
    pub strides: [isize; 2],
}

impl<T> Matrix<T> {
    /// # Safety
    /// The row exists.
    #[inline(always)]
    unsafe fn row(&self, r: usize) -> RowIn<T> {
        // SAFETY: the caller's promise.
        let x = unsafe { self.ptr.offset(r as isize * self.strides[0]) };
        RowIn { x, step: self.strides[1], n: self.columns }
    }
}

/// The rows a thread should have at least.
fn grain(columns: usize) -> usize {
    (16 << 10) / columns.clamp(LANES, 16 << 10)
}
