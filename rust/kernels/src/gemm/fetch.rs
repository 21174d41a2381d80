//! What is wanted next, brought near while sums are made: memory is slow to answer, and many requests at once would keep
//! those waiting who compute.
use crate::simd::{self, LINE};
use std::cell::Cell;

/// Rounds of a tile from one cache line to the next.
pub(super) const ROUNDS: usize = 8;

/// The cache lines of a part of a matrix, of which those `left` are still to be asked for.
pub(super) struct Fetch {
    /// The row, or column, whose turn it is, and how much of it is done.
    from: Cell<*const u8>,
    done: Cell<usize>,
    bytes: usize,
    /// From one to the next.
    step: isize,
    left: Cell<usize>,
}

impl Fetch {
    /// A part of `rows` by `columns`. Nothing of it where neither dimension is close.
    pub fn new<T>(ptr: *const T, rows: usize, columns: usize, rs: isize, cs: isize) -> Self {
        let (close, others, step) = match (rs, cs) {
            (_, 1) => (columns, rows, rs),
            (1, _) => (rows, columns, cs),
            _ => (0, 0, 0),
        };
        let (ptr, skew) = (ptr.cast::<u8>(), ptr.addr() % LINE);
        let size = size_of::<T>();
        Self {
            from: Cell::new(ptr.wrapping_sub(skew)),
            done: Cell::new(0),
            bytes: close * size + skew,
            step: step * size as isize,
            left: Cell::new(if close == 0 { 0 } else { others }),
        }
    }

    /// Asks for the next line.
    #[inline(always)]
    pub fn next(&self) {
        if let Some(line) = self.line() {
            simd::prefetch_far(line);
        }
    }

    #[inline(always)]
    fn line(&self) -> Option<*const u8> {
        let (from, done, left) = (self.from.get(), self.done.get(), self.left.get());
        if left == 0 {
            return None;
        }
        if done + LINE < self.bytes {
            self.done.set(done + LINE);
        } else {
            self.done.set(0);
            self.from.set(from.wrapping_offset(self.step));
            self.left.set(left - 1);
        }
        Some(from.wrapping_add(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Aligned;
    use std::collections::BTreeSet;

    #[test]
    fn each_line_of_a_part_is_asked_for_once() {
        let matrix = Aligned([0.0; 4096]);
        // Rows a whole number of lines apart, from the middle of a line on.
        for (at, rows, columns, rs, cs) in
            [(0, 3, 40, 64, 1), (5, 3, 43, 64, 1), (7, 33, 4, 1, 128), (0, 2, 0, 64, 1)]
        {
            let part = matrix.0[at..].as_ptr();
            let element = |i: usize, j: usize| part.wrapping_offset(i as isize * rs + j as isize * cs).addr();
            let wanted: BTreeSet<usize> =
                (0..rows).flat_map(|i| (0..columns).map(move |j| element(i, j) / LINE)).collect();
            let fetch = Fetch::new(part, rows, columns, rs, cs);
            let asked: Vec<usize> =
                std::iter::from_fn(|| fetch.line()).map(|line| line.addr() / LINE).collect();
            assert_eq!(asked.len(), wanted.len());
            assert_eq!(asked.into_iter().collect::<BTreeSet<_>>(), wanted);
        }
        assert!(Fetch::new(matrix.0.as_ptr(), 3, 5, 100, 7).line().is_none());
    }
}
