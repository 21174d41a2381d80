//! A nest of loops over several operands at once, brought to the fewest and longest loops that do the same.
use crate::MAX_RANK;
use std::ops::Range;

/// Loops over `N` operands; the innermost is the last. There is always at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nest<const N: usize> {
    rank: usize,
    shape: [usize; MAX_RANK],
    strides: [[isize; N]; MAX_RANK],
    /// Where each operand's first element is, relative to its pointer: loops run backwards are turned round.
    pub base: [isize; N],
}

impl<const N: usize> Nest<N> {
    /// The loops in the order given; `None` where there is nothing to do.
    pub fn ordered(shape: &[usize], strides: [&[isize]; N]) -> Option<Self> {
        let mut nest = Self::EMPTY;
        nest.fill(shape, strides).then_some(nest)
    }

    const EMPTY: Self = Self { rank: 0, shape: [1; MAX_RANK], strides: [[1; N]; MAX_RANK], base: [0; N] };

    /// Adds the loops of more than one round; says whether there is anything to do.
    #[inline(always)]
    fn fill(&mut self, shape: &[usize], strides: [&[isize]; N]) -> bool {
        for (d, &extent) in shape.iter().enumerate() {
            match extent {
                0 => return false,
                1 => {}
                _ => self.push(extent, std::array::from_fn(|i| strides[i][d])),
            }
        }
        true
    }

    /// The loops in the order that suits operand `lead` best, neighbours merged where they can be;
    /// for work whose order does not matter. `None` where there is nothing to do.
    // Inlined, since copying the loops from where they were just written takes as long as finding them.
    #[inline(always)]
    pub fn sorted(shape: &[usize], strides: [&[isize]; N], lead: usize) -> Option<Self> {
        let mut nest = Self::EMPTY;
        if !nest.fill(shape, strides) {
            return None;
        }
        for d in 0..nest.rank {
            if nest.strides[d][lead] < 0 {
                for i in 0..N {
                    nest.base[i] += nest.strides[d][i] * (nest.shape[d] as isize - 1);
                    nest.strides[d][i] = -nest.strides[d][i];
                }
            }
        }
        // Insertion sort, longest step outermost: equal ones keep their order.
        for d in 1..nest.rank {
            let mut at = d;
            while at > 0 && nest.strides[at - 1][lead] < nest.strides[at][lead] {
                nest.strides.swap(at - 1, at);
                nest.shape.swap(at - 1, at);
                at -= 1;
            }
        }
        nest.merge();
        Some(nest)
    }

    /// Makes one loop of two neighbours wherever every operand allows it. The order of elements stays.
    pub fn merge(&mut self) {
        let rank = self.rank;
        self.rank = rank.min(1);
        for d in 1..rank {
            let (outer, extent, strides) = (self.rank - 1, self.shape[d], self.strides[d]);
            if (0..N).all(|i| self.strides[outer][i] == strides[i] * extent as isize) {
                self.shape[outer] *= extent;
                self.strides[outer] = strides;
            } else {
                self.push(extent, strides);
            }
        }
    }

    fn push(&mut self, extent: usize, strides: [isize; N]) {
        self.shape[self.rank] = extent;
        self.strides[self.rank] = strides;
        self.rank += 1;
    }

    /// Takes loop `d` out: its extent and strides.
    pub fn take(&mut self, d: usize) -> (usize, [isize; N]) {
        let taken = (self.shape[d], self.strides[d]);
        for d in d + 1..self.rank {
            (self.shape[d - 1], self.strides[d - 1]) = (self.shape[d], self.strides[d]);
        }
        self.rank = self.rank.max(1) - 1;
        (self.shape[self.rank], self.strides[self.rank]) = (1, [1; N]);
        taken
    }

    /// The innermost loop: its extent and strides; one step of one where there is no loop.
    pub fn inner(&self) -> (usize, [isize; N]) {
        let d = self.rank.max(1) - 1;
        (self.shape[d], self.strides[d])
    }

    /// Whether rounds of the innermost loop of operand `i` are contiguous, and follow each other.
    pub fn follows(&self, i: usize) -> bool {
        let (n, strides) = self.inner();
        strides[i] == 1 && self.rank > 1 && self.strides[self.rank - 2][i] == n as isize
    }

    /// Takes the innermost loop out.
    pub fn take_inner(&mut self) -> (usize, [isize; N]) {
        self.take(self.rank.max(1) - 1)
    }

    /// How many loops are left.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The extent of loop `d`.
    pub fn extent(&self, d: usize) -> usize {
        self.shape[d]
    }

    /// Each operand's step along loop `d`.
    pub fn strides(&self, d: usize) -> [isize; N] {
        self.strides[d]
    }

    /// How many times the loops left go round.
    pub fn count(&self) -> usize {
        self.shape[..self.rank].iter().product()
    }

    #[inline(always)]
    fn step(&self, offsets: &mut [isize; N], d: usize, by: isize) {
        for (offset, stride) in offsets.iter_mut().zip(self.strides[d]) {
            *offset += by * stride;
        }
    }

    /// Calls `body` with each operand's offset for the rounds `range`, in order, until it says `false`.
    #[inline]
    pub fn each_while(&self, range: Range<usize>, mut body: impl FnMut([isize; N]) -> bool) {
        if range.is_empty() {
            return;
        }
        let (mut at, mut offsets) = ([0; MAX_RANK], self.base);
        let mut rest = range.start;
        for d in (0..self.rank).rev() {
            at[d] = rest % self.shape[d];
            rest /= self.shape[d];
            self.step(&mut offsets, d, at[d] as isize);
        }
        for _ in range {
            if !body(offsets) {
                return;
            }
            for d in (0..self.rank).rev() {
                at[d] += 1;
                self.step(&mut offsets, d, 1);
                if at[d] < self.shape[d] {
                    break;
                }
                self.step(&mut offsets, d, -(self.shape[d] as isize));
                at[d] = 0;
            }
        }
    }

    /// Calls `body` with each operand's offset for the rounds `range`, in order.
    #[inline]
    pub fn each(&self, range: Range<usize>, mut body: impl FnMut([isize; N])) {
        self.each_while(range, |offsets| {
            body(offsets);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets<const N: usize>(nest: &Nest<N>) -> Vec<[isize; N]> {
        let mut all = Vec::new();
        nest.each(0..nest.count(), |at| all.push(at));
        all
    }

    #[test]
    fn contiguous_loops_become_one() {
        let nest = Nest::sorted(&[2, 3, 1, 4], [&[12, 4, 7, 1], &[12, 4, 9, 1]], 1).unwrap();
        assert_eq!((nest.rank(), nest.extent(0), nest.strides(0)), (1, 24, [1, 1]));
    }

    #[test]
    fn order_follows_the_lead_and_covers_everything() {
        // The second operand is the first transposed and reversed.
        let nest = Nest::sorted(&[3, 4], [&[4, 1], &[-1, 3]], 1).unwrap();
        let mut seen = offsets(&nest);
        assert!(seen.windows(2).all(|w| w[0][1] < w[1][1]));
        seen.sort();
        let mut expected: Vec<_> =
            (0..3).flat_map(|i| (0..4).map(move |j| [4 * i + j, -i + 3 * j])).collect();
        expected.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn scalars_go_round_once_and_nothing_not_at_all() {
        let nest = Nest::ordered(&[], [&[]]).unwrap();
        assert_eq!(offsets(&nest), [[0]]);
        assert!(Nest::ordered(&[3, 0], [&[1, 1]]).is_none());
    }

    #[test]
    fn a_range_starts_where_the_one_before_ended() {
        let nest = Nest::ordered(&[2, 3, 2], [&[100, 10, 1]]).unwrap();
        let mut parts = Vec::new();
        for range in [0..5, 5..6, 6..12] {
            nest.each(range, |at| parts.push(at));
        }
        assert_eq!(parts, offsets(&nest));
    }
}
