//! Some columns of a product for one block of `k`: packed, shared out in parts, computed strip by strip.
use super::blocking::{
    ASIDE_COLUMNS, FAR, GRAIN, MAX_ROWS, Packing, ROW_TILES, Tile, block_columns, is_worth_sharing, items,
    parts,
};
use super::epilogue::{Finish, FinishTile, Way};
use super::fetch::Fetch;
use super::multiply::Multiply;
use super::pack::{PANELS, PackPanels, PackRows, row_step};
use super::product::Product;
use super::tile::{self, Ahead, Strip};
use super::{GemmElem, Sum};
use crate::operand::Shared;
use crate::pool;
use crate::simd::{Aligned, Simd};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Some columns of the product for one block of `k`.
#[derive(Clone, Copy)]
pub(super) struct Block<'a, E: GemmElem, D> {
    pub p: &'a Product<E>,
    pub pack: Packing,
    pub column: usize,
    pub n: usize,
    pub k_done: usize,
    pub k: usize,
    pub packed: Shared<*mut Sum<E>>,
    /// The row whose tiles pack whole panels of `b` on their way, if any do.
    pub packing_row: Option<usize>,
    pub finish: Finish<Sum<E>>,
    pub multiply: PhantomData<D>,
}

impl<E: GemmElem, D: Multiply<Sum<E>>> Block<'_, E, D> {
    /// Rows of a packed panel, columns of packed rows.
    #[inline(always)]
    fn depth(&self) -> usize {
        items::<E, D>(self.k)
    }

    /// Multiply-adds.
    fn work(&self) -> usize {
        self.p.m.saturating_mul(self.n).saturating_mul(self.k.max(1))
    }

    /// # Safety
    /// The matrices are valid, and `packed` has room where `b` is packed.
    #[inline(always)]
    pub unsafe fn compute<S: Simd>(&self, simd: S, may_share: bool) {
        if !(may_share && is_worth_sharing(self.work())) {
            // SAFETY: promised by the caller.
            return unsafe { self.alone(simd, 0..self.p.m) };
        }
        if self.pack.b {
            let panel = Tile::<S, Sum<E>>::COLUMNS;
            let grain = (8 << 10) / (self.k.max(1) * panel) + 1;
            pool::chunks(self.n.div_ceil(panel), grain, |range| {
                // SAFETY: promised by the caller; each panel has its own room.
                unsafe { self.pack_panels(simd, range) };
            });
        }
        // SAFETY: promised by the caller.
        unsafe { self.share(simd) }
    }

    /// Some rows, by this thread, which packs all of `b` for them.
    ///
    /// # Safety
    /// As for [`compute`](Block::compute).
    #[inline(always)]
    pub unsafe fn alone<S: Simd>(&self, simd: S, rows: Range<usize>) {
        // SAFETY: promised by the caller.
        unsafe {
            let block = self.packing(simd, rows.start);
            block.part(simd, Part { row: rows.start, m: rows.len(), column: 0, n: self.n });
        }
    }

    /// Shares the block out in parts.
    unsafe fn share<S: Simd>(&self, simd: S) {
        let most = self.work() / (GRAIN / 2);
        let (high, wide) =
            parts::<S, Sum<E>>((self.p.m, self.n, self.k), pool::num_threads(), most, self.pack);
        let down = self.p.m.div_ceil(high);
        pool::run(down * self.n.div_ceil(wide), &|i| {
            // Neighbouring tasks use the same columns of `b`.
            let (row, column) = (i % down * high, i / down * wide);
            let (m, n) = (high.min(self.p.m - row), wide.min(self.n - column));
            // SAFETY: promised by the caller; parts do not overlap.
            unsafe { self.part(simd, Part { row, m, column, n }) }
        });
    }

    /// Packs `b`, or leaves it to the tiles of a row, who have time to while they multiply.
    ///
    /// # Safety
    /// The matrices are valid, and `packed` has room where `b` is packed.
    #[inline(always)]
    pub unsafe fn packing<S: Simd>(&self, simd: S, row: usize) -> Self {
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        let are_whole = !D::IS_PAIR || self.n == panel && self.k.is_multiple_of(2);
        let packing_row = (self.pack.b && self.pack.b_by_tiles && are_whole).then_some(row);
        if self.pack.b {
            // Tiles pack whole panels.
            let first = packing_row.map_or(0, |_| self.n / panel);
            // SAFETY: promised by the caller.
            unsafe { self.pack_panels(simd, first..self.n.div_ceil(panel)) };
        }
        Self { packing_row, ..*self }
    }

    /// # Safety
    /// The matrices are valid, and `packed` has room.
    pub unsafe fn pack_panels<S: Simd>(&self, simd: S, range: Range<usize>) {
        let p = self.p;
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        for i in range.clone().step_by(PANELS) {
            let first = i * panel;
            let n = (PANELS.min(range.end - i) * panel).min(self.n - first);
            let b = p.b_at(self.k_done, self.column + first);
            // SAFETY: promised by the caller.
            let to = unsafe { self.packed.get().add(first * self.depth()) };
            let (k, b_rs, b_cs, multiply) = (self.k, p.b_rs, p.b_cs, self.multiply);
            simd.vectorize(PackPanels { n, k, b, b_rs, b_cs, to, multiply });
        }
    }

    /// A part of the block, by this thread.
    ///
    /// # Safety
    /// The part is inside, begins with a panel, and nobody else writes there.
    #[inline(always)]
    unsafe fn part<S: Simd>(&self, simd: S, part: Part) {
        let high = self.pack.tile_rows::<S, Sum<E>>(part.m);
        // SAFETY: promised by the caller.
        unsafe {
            if self.pack.a {
                self.part_packing(simd, high, part)
            } else {
                self.groups(simd, high, part, None)
            }
        }
    }

    /// Calls `body` with pieces of the part, as wide as leaves their columns of `b` in the core's cache for the next `high` rows.
    #[inline(always)]
    fn each_wide<S: Simd>(&self, _: S, high: usize, part: Part, mut body: impl FnMut(Part)) {
        if part.m <= high {
            return body(part);
        }
        let wide = block_columns::<Sum<E>>(part.n, self.depth(), Tile::<S, Sum<E>>::COLUMNS);
        for done in (0..part.n).step_by(wide) {
            body(Part { column: part.column + done, n: wide.min(part.n - done), ..part });
        }
    }

    /// With room for some packed rows of `a` on the stack.
    #[inline(never)]
    unsafe fn part_packing<S: Simd>(&self, simd: S, high: usize, part: Part) {
        let mut room = Aligned(MaybeUninit::<E::Rows>::uninit());
        // SAFETY: promised by the caller; a group of tiles fits the room.
        unsafe { self.groups(simd, high, part, Some(room.0.as_mut_ptr().cast())) }
    }

    /// Some tiles of rows at a time, packed where there is room for it: what comes from afar is near while the columns go by.
    #[inline(always)]
    unsafe fn groups<S: Simd>(&self, simd: S, high: usize, part: Part, packed: Option<*mut Sum<E>>) {
        let are_near = packed.is_none() && !self.pack.a_is_scattered;
        let step = if are_near { part.m.max(1) } else { ROW_TILES * high };
        for done in (0..part.m).step_by(step) {
            let some = Part { row: part.row + done, m: step.min(part.m - done), ..part };
            let next = step.min(part.m - done - some.m);
            let fetch = self.p.fetch_a(some.row + some.m, next, self.k_done, self.k);
            // SAFETY: promised by the caller.
            unsafe {
                if let Some(packed) = packed
                    && !self.pack.a_by_tiles
                {
                    self.pack_rows(simd, high, some.row, some.m, packed);
                }
                self.each_wide(simd, high, some, |wide| {
                    // Late enough that it is still there.
                    let is_last = wide.column + wide.n == part.column + part.n;
                    let fetch = (is_last && next > 0).then_some(&fetch);
                    let tiles_pack = self.pack.a_by_tiles && wide.column == part.column;
                    self.strips(simd, wide, RowTiles { high, packed, tiles_pack, fetch });
                });
            }
        }
    }

    pub unsafe fn pack_rows<S: Simd>(&self, simd: S, high: usize, row: usize, m: usize, to: *mut Sum<E>) {
        let (p, k) = (self.p, self.k);
        let a = p.a_at(row, self.k_done);
        simd.vectorize(PackRows { m, high, k, a, a_rs: p.a_rs, a_cs: p.a_cs, to, multiply: self.multiply });
    }

    /// Tile after tile of rows, all columns of the part each.
    #[inline(always)]
    pub unsafe fn strips<S: Simd>(&self, simd: S, part: Part, rows: RowTiles<'_, Sum<E>>) {
        // SAFETY: promised by the caller.
        unsafe {
            let p = self.p;
            let (row, column) = (part.row as isize, (self.column + part.column) as isize);
            // Where it is only written, a store or two can wait for memory.
            let rounds = if self.finish.reads_old { FAR } else { 2 * FAR };
            let far = |ptr, rs| (self.k > rounds).then(|| Ahead::new::<Sum<E>>(ptr, rs));
            if E::IS_COMPUTE {
                let to = Target {
                    c: p.c.get().wrapping_offset(row * p.c_rs + column * p.c_cs).cast(),
                    c_rs: p.c_rs,
                    c_cs: p.c_cs,
                    finish: &self.finish,
                    way: self.finish.way(p.c_rs, p.c_cs),
                    ahead: far(p.c.get().cast(), p.c_rs),
                };
                self.strips_to(simd, part, rows, to);
            } else if let Some(finish) =
                self.finish.direct((D::IS_PAIR && p.c_cs == 1).then(|| (p.c.get(), p.c_rs)))
            {
                let to = Target {
                    c: p.acc.get().wrapping_offset(row * p.acc_rs + column),
                    c_rs: p.acc_rs,
                    c_cs: 1,
                    finish: &finish,
                    way: Way::Plain,
                    ahead: if finish.writes_acc || finish.reads_acc {
                        far(p.acc.get(), p.acc_rs)
                    } else {
                        (self.k > FAR).then(|| Ahead::new(p.c.get(), p.c_rs))
                    },
                };
                self.strips_to(simd, part, rows, to);
            } else {
                self.strips_aside(simd, part, rows);
            }
        }
    }

    /// Tile after tile of rows, to where sums are elements.
    #[inline(always)]
    unsafe fn strips_to<S: Simd>(
        &self,
        simd: S,
        part: Part,
        rows: RowTiles<'_, Sum<E>>,
        mut to: Target<'_, Sum<E>>,
    ) {
        let mut done = 0;
        while done < part.m {
            let high = rows.high.min(part.m - done);
            // A strip whose tiles pack is alone.
            let packs = rows.tiles_pack || self.packing_row == Some(part.row + done);
            let count = if packs { 1 } else { (part.m - done) / high };
            // SAFETY: promised by the caller.
            unsafe { self.strip(simd, part, done, count, rows, &to) };
            done += count * high;
            to.c = to.c.wrapping_offset((count * high) as isize * to.c_rs);
        }
    }

    /// The same where sums are no elements of `c`: a strip's go to the stack first.
    #[inline(never)]
    unsafe fn strips_aside<S: Simd>(&self, simd: S, part: Part, rows: RowTiles<'_, Sum<E>>) {
        let (p, high, stride) = (self.p, rows.high, ASIDE_COLUMNS);
        let mut room = Aligned(MaybeUninit::<[[Sum<E>; ASIDE_COLUMNS]; MAX_ROWS]>::uninit());
        let sums = room.0.as_mut_ptr().cast::<Sum<E>>();
        let ahead = if self.finish.writes_acc {
            Ahead::new(p.acc.get(), p.acc_rs)
        } else {
            Ahead::new(p.c.get(), p.c_rs)
        };
        let to = Target {
            c: sums,
            c_rs: stride as isize,
            c_cs: 1,
            finish: &Finish::bare(),
            way: Way::Plain,
            ahead: (self.k > FAR).then_some(ahead),
        };
        for aside in (0..part.n).step_by(stride) {
            let some = Part { column: part.column + aside, n: stride.min(part.n - aside), ..part };
            for done in (0..part.m).step_by(high) {
                let (row, column) = (part.row + done, self.column + some.column);
                let at = |rs: isize, cs: isize| row as isize * rs + column as isize * cs;
                let tile = FinishTile::<E> {
                    finish: &self.finish,
                    sums,
                    stride,
                    blocks: 1,
                    block_stride: 0,
                    rows: high.min(part.m - done),
                    columns: some.n,
                    row,
                    column,
                    c: p.c.get().wrapping_offset(at(p.c_rs, p.c_cs)),
                    c_rs: p.c_rs,
                    c_cs: p.c_cs,
                    acc: p.acc.get().wrapping_offset(at(p.acc_rs, 1)),
                    acc_rs: p.acc_rs,
                };
                // SAFETY: promised by the caller.
                unsafe { self.strip(simd, some, done, 1, rows, &to) };
                simd.vectorize(tile);
            }
        }
    }

    /// Some tiles of rows, the first of which begins `done` rows down the part.
    #[inline(always)]
    unsafe fn strip<S: Simd>(
        &self,
        simd: S,
        part: Part,
        done: usize,
        count: usize,
        RowTiles { high, packed, tiles_pack, fetch }: RowTiles<'_, Sum<E>>,
        to: &Target<'_, Sum<E>>,
    ) {
        let (p, depth) = (self.p, self.depth());
        let (row, column) = (part.row + done, self.column + part.column);
        let rows = high.min(part.m - done);
        // SAFETY: promised by the caller. What is read in place has the type of sums.
        unsafe {
            let (b, b_rs, b_panel) = if self.pack.b {
                let panel = Tile::<S, Sum<E>>::COLUMNS as isize;
                (self.packed.get().add(part.column * depth).cast_const(), panel, panel * depth as isize)
            } else {
                let rs = if self.pack.tiles_turn_b { p.b_cs } else { p.b_rs };
                (p.b_at(self.k_done, column).cast(), rs, Tile::<S, Sum<E>>::COLUMNS as isize)
            };
            let raw = if self.packing_row == Some(row) {
                p.b_at(self.k_done, column).cast()
            } else {
                std::ptr::null()
            };
            let packed = packed.map(|packed| packed.add(done / high * row_step(high) * depth));
            let (a, a_step, a_strip, rows_are_close) = match packed {
                Some(tile) if !tiles_pack => {
                    let step = row_step(rows);
                    (tile.cast_const(), step as isize, (step * depth) as isize, true)
                }
                _ => {
                    let a = p.a_at(row, self.k_done).cast();
                    let item = (size_of::<Sum<E>>() / size_of::<E>()) as isize;
                    let (step, are_close) = if p.a_cs == 1 { (p.a_rs / item, false) } else { (p.a_cs, true) };
                    (a, step, rows as isize * p.a_rs / item, are_close)
                }
            };
            let strip = Strip {
                count,
                a_strip,
                n: part.n,
                k: depth,
                a,
                a_step,
                b,
                b_rs,
                turns_b: self.pack.tiles_turn_b,
                b_panel,
                raw,
                raw_rs: p.b_rs,
                a_to: packed.filter(|_| tiles_pack).unwrap_or(std::ptr::null_mut()),
                c: to.c,
                c_rs: to.c_rs,
                c_cs: to.c_cs,
                row,
                column,
                finish: to.finish,
                way: to.way,
                ahead: to.ahead.as_ref(),
                fetch,
            };
            tile::run::<S, Sum<E>, D>(simd, rows, rows_are_close, &strip);
        }
    }
}

/// Where a strip's sums go, and how.
struct Target<'a, T> {
    c: *mut T,
    c_rs: isize,
    c_cs: isize,
    finish: &'a Finish<T>,
    way: Way,
    ahead: Option<Ahead>,
}

/// How rows go by: `high` at a time, and what is brought near meanwhile.
#[derive(Clone, Copy)]
pub(super) struct RowTiles<'a, T> {
    pub high: usize,
    /// Where they are packed, if they are.
    pub packed: Option<*mut T>,
    /// The first tile has yet to do it.
    pub tiles_pack: bool,
    pub fetch: Option<&'a Fetch>,
}

/// Some rows of the product and some columns of a block.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub row: usize,
    pub m: usize,
    pub column: usize,
    pub n: usize,
}
