//! Packing of 16-bit elements: two neighbours along `k` become one 32-bit item, the earlier in its lower half.
//!
//! Where the machine multiplies pairs, that is what tiles read. Where it does not, each item becomes two `f32`, the odd
//! one first, so that sums are added up in the same order.
use super::pack::row_step;
use super::{GemmElem, Sum};
use crate::simd::{FloatVec, IntVec, MAX_LANES, Simd, WordVec};
use crate::transpose;

/// The most lines packed at a time, with room for a vector that begins at the last.
const LINES: usize = 64;
/// Items of each that wait in between: as many as a few cache lines of the matrix hold.
const ITEMS: usize = 32;

/// Lines of a matrix, to be packed side by side, `high` of them a tile.
pub(super) struct Lines<E> {
    pub n: usize,
    pub high: usize,
    /// The least from row to row of a packed tile.
    pub wide: usize,
    pub k: usize,
    pub from: *const E,
    /// From line to line.
    pub line: isize,
    /// Along a line.
    pub step: isize,
    /// What tiles read are two floats an item.
    pub widens: bool,
}

type Room = [[u32; LINES]; ITEMS];

impl<E: GemmElem> Lines<E> {
    /// Packs tile after tile to `to`. In a tile items of one `k` are neighbours, and those of the next [`row_step`] further.
    ///
    /// # Safety
    /// The lines are inside their matrix and at most 48, elements have 16 bits, and `to` has room for all tiles.
    #[inline(always)]
    pub unsafe fn pack<S: Simd>(&self, simd: S, to: *mut Sum<E>) {
        const { assert!(E::IS_COMPUTE || size_of::<E>() == 2 && size_of::<Sum<E>>() == 4) };
        debug_assert!(self.n + MAX_LANES <= LINES);
        if self.line == 1 && !self.widens && self.n == self.wide {
            // SAFETY: promised by the caller. A tile is as wide as there are lines.
            return unsafe { self.zip(simd, self.from.cast(), self.k, to.cast(), self.wide) };
        }
        if self.step == 1 && !self.widens && self.k.is_multiple_of(2) {
            // SAFETY: promised by the caller.
            return unsafe { self.transpose(simd, to) };
        }
        let mut room: Room = [[0; LINES]; ITEMS];
        for done in (0..self.k).step_by(2 * ITEMS) {
            let k = (self.k - done).min(2 * ITEMS);
            let from = self.from.wrapping_offset(done as isize * self.step).cast();
            // SAFETY: promised by the caller.
            unsafe {
                if self.line == 1 {
                    self.zip(simd, from, k, room.as_mut_ptr().cast(), LINES);
                } else if self.step == 1 {
                    let line = |j: usize| from.wrapping_offset(j as isize * self.line).cast::<[u16; 2]>();
                    transpose::panel_of(simd, self.n, k / 2, line, room.as_mut_ptr().cast(), LINES);
                    self.gather(from, k / 2 * 2, k, &mut room);
                } else {
                    self.gather(from, 0, k, &mut room);
                }
                self.deal(simd, &room, done / 2, k.div_ceil(2), to.cast());
            }
        }
    }

    /// Where items lie whole in the matrix.
    #[inline(always)]
    unsafe fn transpose<S: Simd>(&self, simd: S, to: *mut Sum<E>) {
        let items = self.k / 2;
        for (tile, first) in (0..self.n).step_by(self.high).enumerate() {
            let n = self.high.min(self.n - first);
            let line =
                |j: usize| self.from.wrapping_offset((first + j) as isize * self.line).cast::<[u16; 2]>();
            let to = to.wrapping_add(tile * row_step(self.high) * items).cast();
            // SAFETY: promised by the caller.
            unsafe { transpose::panel_of(simd, n, items, line, to, row_step(n).max(self.wide)) };
        }
    }

    /// Items one by one, those of the elements from `first` to `k`.
    #[inline(always)]
    unsafe fn gather(&self, from: *const u16, first: usize, k: usize, room: &mut Room) {
        for k_here in (first..k).step_by(2) {
            for (j, item) in room[k_here / 2].iter_mut().enumerate().take(self.n) {
                let at = from.wrapping_offset(j as isize * self.line + k_here as isize * self.step);
                // SAFETY: inside the matrix; the second element is read where there is one.
                let (even, odd) =
                    unsafe { (*at, if k_here + 1 < k { *at.wrapping_offset(self.step) } else { 0 }) };
                *item = u32::from(even) | u32::from(odd) << 16;
            }
        }
    }

    /// The same where the items of one `k` are neighbours in the matrix, to rows of whole vectors, `wide` apart.
    #[inline(always)]
    unsafe fn zip<S: Simd>(&self, simd: S, from: *const u16, k: usize, to: *mut u32, wide: usize) {
        let lanes = S::U32::LANES;
        for k_here in (0..k).step_by(2) {
            let even = from.wrapping_offset(k_here as isize * self.step);
            let odd = even.wrapping_offset(self.step);
            let has_odd = k_here + 1 < k;
            let twice = if has_odd { self.n / (2 * lanes) * (2 * lanes) } else { 0 };
            for j in (0..twice).step_by(2 * lanes) {
                // SAFETY: inside the matrix and the room.
                unsafe {
                    let [first, second] = S::U32::zip_u16(simd, even.wrapping_add(j), odd.wrapping_add(j));
                    first.store(to.add(k_here / 2 * wide + j));
                    second.store(to.add(k_here / 2 * wide + j + lanes));
                }
            }
            for j in (twice..self.n).step_by(lanes) {
                let n = lanes.min(self.n - j);
                let (even, odd) = (even.wrapping_add(j), odd.wrapping_add(j));
                // SAFETY: inside the matrix; nothing is read of a row that is not there. The room has whole vectors.
                unsafe {
                    let items = if n == lanes && has_odd {
                        S::U32::load_u16(simd, even) | S::U32::load_u16(simd, odd).shl(16)
                    } else {
                        let odd = S::U32::load_u16_first(simd, odd, if has_odd { n } else { 0 });
                        S::U32::load_u16_first(simd, even, n) | odd.shl(16)
                    };
                    items.store(to.add(k_here / 2 * wide + j));
                }
            }
        }
    }

    /// Deals out `count` items of each line, the first of which is number `done`, to the tiles.
    #[inline(always)]
    unsafe fn deal<S: Simd>(&self, simd: S, room: &Room, done: usize, count: usize, to: *mut f32) {
        let lanes = S::U32::LANES;
        let all = self.k.div_ceil(2) * if self.widens { 2 } else { 1 };
        for (tile, first) in (0..self.n).step_by(self.high).enumerate() {
            let n = self.high.min(self.n - first);
            let width = row_step(n).max(self.wide);
            let to = to.wrapping_add(tile * row_step(self.high) * all);
            let tile = Rows { to, n, width, room: all * width };
            for (item, line) in room.iter().enumerate().take(count) {
                for j in (0..n).step_by(lanes) {
                    // SAFETY: a vector that begins at the last line is still in the room; the caller's promise.
                    unsafe {
                        let items = S::F32::load(simd, line.as_ptr().add(first + j).cast());
                        if self.widens {
                            let (bits, row) = (items.to_bits(), 2 * (done + item));
                            tile.put(S::F32::from_bits(bits & bits.lit(0xffff_0000)), row, j);
                            tile.put(S::F32::from_bits(bits.shl(16)), row + 1, j);
                        } else {
                            tile.put(items, done + item, j);
                        }
                    }
                }
            }
        }
    }
}

/// A packed tile.
struct Rows {
    to: *mut f32,
    n: usize,
    width: usize,
    /// Elements it has.
    room: usize,
}

impl Rows {
    /// Writes a vector from element `j` of a row on.
    ///
    /// Rows are written in order: what reaches over the end of one is written over by the next.
    #[inline(always)]
    unsafe fn put<V: FloatVec<Elem = f32>>(&self, items: V, row: usize, j: usize) {
        let at = row * self.width + j;
        // SAFETY: inside the tile.
        unsafe {
            if at + V::LANES <= self.room {
                items.store(self.to.add(at));
            } else {
                items.store_first(self.to.add(at), V::LANES.min(self.n - j));
            }
        }
    }
}
