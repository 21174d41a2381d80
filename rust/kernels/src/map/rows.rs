//! Rows: what a formula is computed on.
use super::drive::MAX_OPERANDS;
use crate::simd::{before_whole, prefetch_lines};

/// So many bytes of a row are asked for while the one before is computed; by then the machine foresees the rest.
const AHEAD: usize = 2048;

/// The step of an operand that lies across: its elements are what otherwise is from row to row apart, and the next row's lie
/// beside them. For row functions that take it.
pub(super) const ACROSS: usize = usize::MAX;

/// Rows of `n` elements; those of `y` are contiguous.
#[derive(Clone, Copy)]
pub(super) struct Rows<A, B, const N: usize> {
    /// Where the first row of each operand begins.
    pub x: [*const A; N],
    /// How far apart its elements are: 1, 2, 0 where one element stands for the whole row, or [`ACROSS`].
    pub step: [usize; N],
    /// How far on the next row begins.
    pub down: [isize; N],
    pub y: *mut B,
    pub y_down: isize,
    pub count: usize,
    pub n: usize,
    /// Whether to store past the caches; whoever asks for it fences the stores.
    pub past: bool,
}

/// Computes rows. The first argument is the formula, whose type only this function knows: so that all formulas share one
/// compiled walk.
pub(super) type Row<A, B, const N: usize> = unsafe fn(formula: *const (), rows: &Rows<A, B, N>);

/// Whether a row function can read operand `i` where it lies, or write it if it is the output.
#[inline(always)]
pub(super) fn is_row(i: usize, step: isize) -> bool {
    if i == MAX_OPERANDS { step == 1 } else { (0..=2).contains(&step) }
}

impl<A, B, const N: usize> Rows<A, B, N> {
    /// A single row of operands that are all contiguous.
    #[inline(always)]
    pub fn contiguous(x: [*const A; N], y: *mut B, n: usize, past: bool) -> Self {
        Self { x, step: [1; N], down: [0; N], y, y_down: 0, count: 1, n, past }
    }

    /// Where element `i` of row `r` lies.
    #[inline(always)]
    pub fn at(&self, r: usize, i: usize) -> ([*const A; N], *mut B) {
        let place = |k: usize| r as isize * self.down[k] + (i * self.step[k]) as isize;
        let x = std::array::from_fn(|k| self.x[k].wrapping_offset(place(k)));
        (x, self.y.wrapping_offset(r as isize * self.y_down + i as isize))
    }

    /// The whole vectors of row `r`, and what is less than one at its ends. Streaming stores are of aligned vectors.
    #[inline(always)]
    pub fn along(&self, r: usize, lanes: usize) -> (Line<A, B, N>, [Line<A, B, N>; 2]) {
        self.ask_for_next(r);
        let (x, y) = self.at(r, 0);
        let head = if self.past { before_whole(y, lanes * size_of::<B>(), self.n) } else { 0 };
        let count = (self.n - head) / lanes;
        let tail = head + count * lanes;
        let (mut first, mut y_by) = (head, lanes as isize);
        if count > 1 && backwards(x, self.step, y) {
            (first, y_by) = (tail - lanes, -y_by);
        }
        let line = |i: usize, count: usize, len: usize| {
            let (x, y) = self.at(r, i);
            Line { x, by: self.step.map(|step| y_by * step as isize), y, y_by, count, len }
        };
        let part = |i: usize, len: usize| line(i, usize::from(len > 0), len);
        (line(first, count, lanes), [part(0, head), part(tail, self.n - tail)])
    }

    /// The whole vectors at place `line` of all rows, and after the last what is less than one.
    #[inline(always)]
    pub fn down(&self, line: usize, lanes: usize) -> (Line<A, B, N>, [Line<A, B, N>; 2]) {
        let whole = self.n / lanes;
        let part = |at: usize, is_there: bool, len: usize| {
            let (x, y) = self.at(0, at * lanes);
            Line { x, by: self.down, y, y_by: self.y_down, count: if is_there { self.count } else { 0 }, len }
        };
        let rest = self.n % lanes;
        let last = part(whole, line + 1 >= whole && rest > 0, rest);
        (part(line, line < whole, lanes), [last, part(0, false, 0)])
    }

    /// Asks for the row after `r` where there is a gap between them: that the machine does not foresee.
    #[inline(always)]
    pub fn ask_for_next(&self, r: usize) {
        if r + 1 < self.count {
            let (next, _) = self.at(r + 1, 0);
            for ((x, step), down) in next.into_iter().zip(self.step).zip(self.down) {
                let extent = self.n * step;
                if extent != 0 && down != 0 && down != extent as isize {
                    prefetch_lines(x, (extent * size_of::<A>()).min(AHEAD));
                }
            }
        }
    }
}

/// Vectors of `len` elements, of each operand the next `by` elements after the last.
pub(super) struct Line<A, B, const N: usize> {
    pub x: [*const A; N],
    pub by: [isize; N],
    pub y: *mut B,
    pub y_by: isize,
    pub count: usize,
    pub len: usize,
}

/// A load whose address ends in the same twelve bits as that of a store under way waits for it. So where the row of
/// `y` begins, but for whole pages, a few lines after one of `x`, as memory straight from the system does, each load would
/// wait for the store before; from the last vector to the first none does.
#[inline(always)]
fn backwards<A, B, const N: usize>(x: [*const A; N], step: [usize; N], y: *const B) -> bool {
    const PAGE: usize = 4096;
    const NEAR: usize = 512;
    let (mut after, mut before) = (NEAR, NEAR);
    for k in 0..N {
        let distance = y.addr().wrapping_sub(x[k].addr()) % PAGE;
        if step[k] == 1 && distance != 0 {
            after = after.min(distance);
            before = before.min(PAGE - distance);
        }
    }
    after < before
}
