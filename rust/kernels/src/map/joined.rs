//! Rows of a few elements that follow each other, and one operand that is the same for all of them, as in `points * scale` or
//! `logits + bias`, or one element a row, as in `logits - highest`: computed as long rows, for which that one is written out.
use super::drive::{MAX_OPERANDS, SHORT};
use super::gaps::gather;
use super::rows::{Row, Rows};
use crate::nest::Nest;
use crate::simd::{Aligned, FloatVec, Kernel, LINE, Level, MAX_LANES, Simd, dispatch, level};
use std::mem::MaybeUninit;
use std::ops::Range;

/// The most elements that are written out.
const BLOCK: usize = 2048;
/// The longest rows that fit such a block: it holds as many of them as make whole cache lines of elements of 8 bytes.
const LONGEST: usize = BLOCK * 8 / LINE;
/// Room for them, where they begin inside a row and end inside a vector.
const ROOM: usize = BLOCK + LONGEST + MAX_LANES;
/// The fewest elements for which that pays.
const WORTH: usize = 256;
/// The entries of a [table](FloatVec::look_up).
const TABLE: usize = 16;

/// Such rows.
pub(super) struct Joined {
    /// How many rows, and elements of each.
    count: usize,
    n: usize,
    /// The operand that is written out, and how far on it is at the next row.
    lone: usize,
    down: isize,
    /// Whether all of a row meets the same element of it.
    spreads: bool,
    /// How many elements are computed together.
    block: usize,
    /// Where each operand begins.
    base: [isize; MAX_OPERANDS + 1],
}

impl Joined {
    /// The rows of a nest of `N` inputs and, last, the output, if they are such.
    pub fn new<A, B, const N: usize>(nest: &Nest<{ MAX_OPERANDS + 1 }>) -> Option<Self> {
        if nest.rank() != 2 || nest.count() < WORTH {
            return None;
        }
        let (n, step, down) = (nest.extent(1), nest.strides(1), nest.strides(0));
        let bytes = n * size_of::<A>().max(size_of::<B>());
        // Whole rows that are whole cache lines too: all blocks begin at the same place in a row.
        let unit = n * LINE / size_of::<A>().min(size_of::<B>());
        let block = BLOCK / unit * unit;
        // Rows of whole cache lines are as quick by themselves.
        if block == 0 || bytes.is_multiple_of(LINE) || !nest.follows(MAX_OPERANDS) {
            return None;
        }
        let mut others = (0..N).filter(|&i| !nest.follows(i));
        let lone = others.next().filter(|_| others.next().is_none())?;
        let repeats = step[lone] == 1 && down[lone] == 0;
        let spreads = step[lone] == 0 && n < SHORT && matches!(size_of::<A>(), 4 | 8);
        // Where vectors can be masked, one that is mostly full is as quick by itself.
        let is_vector = level() == Level::Avx512 && (LINE * 5 / 8..LINE).contains(&bytes);
        let joined =
            Self { count: nest.extent(0), n, lone, down: down[lone], spreads, block, base: nest.base };
        (repeats || spreads && !is_vector).then_some(joined)
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
        let mut block = Aligned([const { MaybeUninit::<A>::uninit() }; ROOM]);
        let block = block.0.as_mut_ptr().cast::<A>();
        let x: [_; N] = std::array::from_fn(|i| x[i].wrapping_offset(self.base[i]));
        let y = y.wrapping_offset(self.base[MAX_OPERANDS]);
        let first = range.start % self.n;
        for start in range.clone().step_by(self.block) {
            let len = self.block.min(range.end - start);
            // SAFETY: the range is inside the operands, and what is written out inside the block; the caller's promise.
            unsafe {
                if self.spreads {
                    self.spread(x[self.lone], start / self.n, block, first + len);
                } else if start == range.start {
                    self.repeat(x[self.lone], block, first + len);
                }
                let mut operands = x.map(|x| x.wrapping_add(start));
                operands[self.lone] = block.add(first);
                row(formula, &Rows::contiguous(operands, y.add(start), len, past));
            }
        }
    }

    /// Writes out `len` elements of rows that are all `from`.
    ///
    /// # Safety
    /// `from` is the row, and there is room for the elements.
    unsafe fn repeat<A: Copy>(&self, from: *const A, to: *mut A, len: usize) {
        // The first ones one by one: a copy of what was just written waits for it.
        let mut done = len.min(4 * self.n);
        for at in (0..done).step_by(self.n) {
            // SAFETY: the caller's promise.
            unsafe { std::ptr::copy_nonoverlapping(from, to.add(at), self.n.min(done - at)) };
        }
        while done < len {
            let more = done.min(len - done);
            // SAFETY: so many are there, and room for as many after them.
            unsafe { std::ptr::copy_nonoverlapping(to, to.add(done), more) };
            done += more;
        }
    }

    /// Writes out `len` elements of rows of one element each, beginning with row `row`.
    ///
    /// # Safety
    /// The rows' elements lie at `from`, and `to` has room for what is written and a vector.
    unsafe fn spread<A: Copy>(&self, from: *const A, row: usize, to: *mut A, len: usize) {
        let count = len.div_ceil(self.n);
        let mut rows = [const { MaybeUninit::<A>::uninit() }; ROOM / 2 + TABLE];
        let mut from = from.wrapping_offset(row as isize * self.down);
        // SAFETY: the caller's promise; rows have two elements or more, and a table after the last of them can be read.
        unsafe {
            if self.down != 1 || row + count + TABLE > self.count {
                let rows = rows.as_mut_ptr().cast::<A>();
                gather(from, self.down, rows, count);
                rows.add(count).cast::<f32>().write_bytes(0, TABLE);
                from = rows;
            }
            let (from, to, n) = (from.cast(), to.cast(), self.n);
            match size_of::<A>() {
                4 => dispatch(Spread::<1> { from, to, len, n }),
                _ => dispatch(Spread::<2> { from, to, len, n }),
            }
        }
    }
}

/// Writes out rows whose elements are all the same one.
struct Spread<const WORDS: usize> {
    /// The rows' elements in words of 32 bits, and after them a table more.
    from: *const f32,
    /// There is room for a vector more.
    to: *mut f32,
    len: usize,
    /// Elements of a row.
    n: usize,
}

impl<const WORDS: usize> Kernel for Spread<WORDS> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { from, to, len, n } = self;
        let lanes = S::F32::LANES;
        let lit = |value: usize| S::F32::splat(simd, value as f32);
        // Of which element of a vector each lane is, and which word of it.
        let numbers = S::F32::numbers(simd);
        let element = (numbers / lit(WORDS)).floor();
        let word = numbers - element * lit(WORDS);
        let (half, inverse) = (S::F32::splat(simd, 0.5), S::F32::splat(simd, 1.0 / n as f32));
        // After n vectors the same columns come again, as many rows further down as a vector has elements.
        for first in 0..n {
            let (row, column) = (first * lanes / WORDS / n, first * lanes / WORDS % n);
            // Half an element on, so that none is near the next row. A sum's lowest bits are the integer.
            let down = ((element + half + lit(column)) * inverse).floor();
            let index = (down * lit(WORDS) + word + lit(1 << 23)).to_bits();
            let (mut from, mut i) = (from.wrapping_add(row * WORDS), first * lanes);
            while i < len * WORDS {
                // SAFETY: the vector begins before the last word, and so in a row that is there; a table follows it.
                unsafe { S::F32::look_up(&*from.cast(), index).store(to.add(i)) };
                from = from.wrapping_add(lanes);
                i += n * lanes;
            }
        }
    }
}

const _: () = assert!(BLOCK >= SHORT * LINE);
