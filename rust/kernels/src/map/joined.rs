//! Rows of a few elements that follow each other, and one that is the same for all of them, as in `points * scale` or
//! `logits + bias`: computed as long rows, for which that one is written out some times.
use super::drive::{MAX_OPERANDS, SHORT};
use super::rows::{Row, Rows};
use crate::nest::Nest;
use crate::simd::LINE;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The most elements that are written out.
const BLOCK: usize = 2048;
/// The fewest elements for which that pays.
const WORTH: usize = 1024;

/// Such rows.
pub(super) struct Joined {
    /// Elements of a row.
    n: usize,
    /// The operand that repeats.
    repeats: usize,
}

impl Joined {
    /// The rows of a nest of `N` inputs and, last, the output, of at most `size` bytes an element, if they are such.
    pub fn new<const N: usize>(nest: &Nest<{ MAX_OPERANDS + 1 }>, size: usize) -> Option<Self> {
        if nest.rank() != 2 || nest.count() < WORTH {
            return None;
        }
        let (n, step, down) = (nest.extent(1), nest.strides(1), nest.strides(0));
        let follows = |i: &usize| step[*i] == 1 && down[*i] == n as isize;
        // Rows of whole cache lines are as quick by themselves.
        if n >= SHORT || (n * size).is_multiple_of(LINE) || !follows(&MAX_OPERANDS) {
            return None;
        }
        let mut others = (0..N).filter(|i| !follows(i));
        let repeats = others.next().filter(|&i| step[i] == 1 && down[i] == 0)?;
        others.next().is_none().then_some(Self { n, repeats })
    }

    /// Computes the elements of a range. Not inlined: others need not make room on the stack.
    ///
    /// # Safety
    /// As for [`drive`](super::drive::drive); tasks write different elements.
    #[inline(never)]
    pub unsafe fn run<A: Copy, B: Copy, const N: usize>(
        &self,
        range: Range<usize>,
        (row, formula): (Row<A, B, N>, *const ()),
        x: [*const A; N],
        y: *mut B,
        past: bool,
    ) {
        let mut block = [const { MaybeUninit::<A>::uninit() }; BLOCK];
        let block = block.as_mut_ptr().cast::<A>();
        // Whole rows that are whole cache lines too: all blocks begin at the same place in a row.
        let unit = self.n * LINE;
        let most = BLOCK / unit * unit;
        // SAFETY: the range is inside the operands, and what is written out inside the block; the caller's promise.
        unsafe {
            self.write_out(x[self.repeats], range.start % self.n, block, most.min(range.len()));
            for start in range.clone().step_by(most) {
                let mut operands = x.map(|x| x.wrapping_add(start));
                operands[self.repeats] = block;
                let len = most.min(range.end - start);
                row(formula, &Rows::contiguous(operands, y.add(start), len, past));
            }
        }
    }

    /// Writes out `len` elements, beginning with element `first` of the row.
    ///
    /// # Safety
    /// `from` is the row, and there is room for `len` elements.
    unsafe fn write_out<A: Copy>(&self, from: *const A, first: usize, to: *mut A, len: usize) {
        for i in 0..self.n.min(len) {
            // SAFETY: inside the row and the room.
            unsafe { *to.add(i) = *from.add((first + i) % self.n) };
        }
        let mut done = self.n;
        while done < len {
            let more = done.min(len - done);
            // SAFETY: so many are there, and room for as many after them.
            unsafe { std::ptr::copy_nonoverlapping(to, to.add(done), more) };
            done += more;
        }
    }
}

const _: () = assert!(BLOCK >= SHORT * LINE);
