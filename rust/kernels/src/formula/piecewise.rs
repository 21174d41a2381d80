//! Functions of `f32` as polynomials on sixteen intervals, whose coefficients are looked up in registers.
use super::exp::magic;
use crate::simd::FloatVec;

/// A polynomial on each of sixteen intervals of one width, around consecutive multiples of it.
pub(super) struct Piecewise<const M: usize> {
    /// Intervals in one.
    density: f64,
    /// A point near each multiple, then the coefficients of the distance from it, the constant first; at the place that
    /// the low four bits of the multiple name.
    columns: [[f32; 16]; M],
}

impl<const M: usize> Piecewise<M> {
    /// Of the columns' entries, an interval a row, the one around `first / density` first. The points are chosen so that the
    /// function there is all but exactly a float: rounding the constant brings no error. The coefficients are of least
    /// error relative to the function, each fitted when those before it had been rounded.
    pub(super) const fn new(density: f64, first: usize, rows: &[[f32; M]; 16]) -> Self {
        let mut columns = [[0.0; 16]; M];
        let mut i = 0;
        while i < 16 {
            let mut k = 0;
            while k < M {
                columns[k][(first + i) % 16] = rows[i][k];
                k += 1;
            }
            i += 1;
        }
        Self { density, columns }
    }

    /// The function of a `t` inside the intervals; of NaN it is NaN.
    #[inline(always)]
    pub(super) fn at<V: FloatVec>(&self, t: V) -> V {
        let index = t.mul_add(t.lit(self.density), magic(t)).to_bits();
        let distance = t - V::look_up(&self.columns[0], index);
        let mut sum = V::look_up(&self.columns[M - 1], index);
        for column in self.columns[1..M - 1].iter().rev() {
            sum = sum.mul_add(distance, V::look_up(column, index));
        }
        sum
    }
}
