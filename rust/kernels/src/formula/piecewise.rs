//! Functions of `f32` as polynomials on sixteen intervals, whose coefficients are looked up in registers.
use crate::simd::{FloatVec, IntVec};

/// A polynomial for each of sixteen intervals, which the leading bits of `t + offset` tell apart.
pub(super) struct Piecewise<const M: usize> {
    offset: f64,
    shift: u32,
    columns: [[f32; 16]; M],
}

impl<const M: usize> Piecewise<M> {
    /// Of the rows, in the order of their intervals: a point inside, then the coefficients of the distance from it, the
    /// constant first. Where the point may be chosen, it is one where the function is all but exactly a float, so that the
    /// constant brings no error. The first interval begins where `t + offset` is `first`; `shift` leaves of its bits those
    /// that count the intervals.
    pub(super) const fn new(offset: f64, first: f32, shift: u32, rows: &[[f32; M]; 16]) -> Self {
        let mut columns = [[0.0; 16]; M];
        let mut i = 0;
        while i < 16 {
            let slot = ((first.to_bits() >> shift) as usize + i) % 16;
            let mut k = 0;
            while k < M {
                columns[k][slot] = rows[i][k];
                k += 1;
            }
            i += 1;
        }
        Self { offset, shift, columns }
    }

    /// The function of a `t` inside the intervals; of NaN it is NaN.
    #[inline(always)]
    pub(super) fn at<V: FloatVec>(&'static self, t: V) -> V {
        let index = (t + t.lit(self.offset)).to_bits().shr(self.shift);
        let distance = t - V::look_up(&self.columns[0], index);
        let mut sum = V::look_up(&self.columns[M - 1], index);
        for column in self.columns[1..M - 1].iter().rev() {
            sum = sum.mul_add(distance, V::look_up(column, index));
        }
        sum
    }
}
