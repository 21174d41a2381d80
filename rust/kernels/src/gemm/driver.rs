//! The loops around blocks of a product: what is packed, what is shared out, in which order.
use super::block::{Block, Part, RowTiles};
use super::blocking::{
    self, B_COLUMNS, FEW_TILES, GRAIN, LONG, MAX_ROWS, PANELS_BYTES, Packing, ROW_TILES, STACK_BYTES, Tile,
    is_worth_sharing, items, k_block, shares_columns,
};
use super::epilogue::Finish;
use super::multiply::{Multiply, Ones};
use super::pack::{PANELS, row_step};
use super::product::Product;
use super::shares::Shares;
use super::{GemmElem, Sum, WithRows, gemv, split};
use crate::operand::Shared;
use crate::pool;
use crate::simd::{self, Aligned, Kernel, Level, Simd};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The scratch of a product, however its matrices lie: for packed `b`, and for sums that wait between blocks of `k`.
pub(super) fn scratch_bytes<E: GemmElem>(m: usize, n: usize, k: usize) -> usize {
    let packed = blocking::packed_bytes::<E>(n, k).next_multiple_of(64);
    if !waits::<E>(k) {
        return packed;
    }
    // Room to align it to a cache line.
    m.saturating_mul(n).saturating_mul(size_of::<Sum<E>>()).saturating_add(packed).saturating_add(64)
}

/// Whether sums wait between blocks of `k`, and not in `c`.
pub(super) fn waits<E: GemmElem>(k: usize) -> bool {
    !E::IS_COMPUTE && k > E::K_BLOCK
}

/// Whether a product is done without scratch, unless it is [split], and not worth two threads.
pub(super) fn is_small<E: GemmElem>(m: usize, n: usize, k: usize) -> bool {
    m == 1 || m.saturating_mul(n).saturating_mul(k) < 4 * GRAIN && fits::<E>(n, k, STACK_BYTES)
}

/// Whether so many bytes are all the scratch that is needed.
fn fits<E: GemmElem>(n: usize, k: usize, bytes: usize) -> bool {
    blocking::packed_bytes::<E>(n, k) <= bytes && !waits::<E>(k)
}

/// Computes a product, and tells whether `with` was called for all rows.
///
/// # Safety
/// The matrices must be valid and `c` not overlap the others; the machine supports `level`; `scratch` holds what
/// `workspace` says.
pub(super) unsafe fn run<E: GemmElem>(
    level: Level,
    product: &Product<E>,
    scratch: *mut u8,
    may_share: bool,
    with: WithRows,
) -> bool {
    if may_share && split::pays(product) {
        // SAFETY: promised by the caller.
        unsafe { split::run(level, product, scratch) };
        return false;
    }
    if product.m == 1 {
        // SAFETY: promised by the caller.
        unsafe { gemv::run(level, product, may_share) };
        return false;
    }
    let packed = scratch.wrapping_add(scratch.align_offset(64));
    if waits::<E>(product.k) {
        let bytes = blocking::packed_bytes::<E>(product.n, product.k).next_multiple_of(64);
        let acc = Shared(packed.wrapping_add(bytes).cast());
        let product = product.waiting(acc);
        // SAFETY: promised by the caller.
        return unsafe { enter(level, &product, packed, may_share, with) };
    }
    // SAFETY: promised by the caller.
    unsafe { enter(level, product, packed, may_share, with) }
}

/// With the machine's best way to multiply.
///
/// # Safety
/// As for [`run`]; `packed` is aligned to a cache line.
#[inline(always)]
unsafe fn enter<E: GemmElem>(
    level: Level,
    product: &Product<E>,
    packed: *mut u8,
    may_share: bool,
    with: WithRows,
) -> bool {
    // SAFETY: promised by the caller; the machine multiplies pairs where it says so.
    unsafe {
        if !E::IS_COMPUTE && simd::has_fast_dot(level) {
            simd::dispatch_dot(Driver::<E, E::Multiply>::new(product, packed, may_share, with))
        } else {
            simd::dispatch_unchecked(level, Driver::<E, Ones>::new(product, packed, may_share, with))
        }
    }
}

struct Driver<'a, E: GemmElem, D> {
    product: &'a Product<E>,
    /// Where what is packed goes: aligned to a cache line.
    packed: *mut u8,
    may_share: bool,
    with: WithRows<'a>,
    multiply: PhantomData<D>,
}

impl<E: GemmElem, D: Multiply<Sum<E>>> Kernel for Driver<'_, E, D> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        let p = self.product;
        let pack = Packing::new::<S, E, D>(p);
        if self.is_in_place(pack) {
            self.in_place(simd, pack);
        } else if !(pack.b || pack.tiles_turn_b && self.has_small_blocks()) {
            self.blocks(simd, pack, std::ptr::null_mut());
        } else if p.m <= FEW_TILES * Tile::<S, Sum<E>>::ROWS || self.pays_by_panel(simd, pack) {
            self.panels(simd, pack);
        } else if self.pays_by_rows(simd, pack) {
            self.rows(simd, pack);
            return self.with.is_some();
        } else if is_small::<E>(p.m, p.n, p.k) {
            self.on_stack(simd, pack);
        } else {
            self.blocks(simd, pack, self.packed.cast());
        }
        false
    }
}

impl<'a, E: GemmElem, D: Multiply<Sum<E>>> Driver<'a, E, D> {
    fn new(product: &'a Product<E>, packed: *mut u8, may_share: bool, with: WithRows<'a>) -> Self {
        Self { product, packed, may_share, with, multiply: PhantomData }
    }

    /// Whether all is one small block for this thread, read where it lies.
    #[inline(always)]
    fn is_in_place(&self, pack: Packing) -> bool {
        let p = self.product;
        let is_read = E::IS_COMPUTE && !pack.a && !pack.b && !pack.a_is_scattered;
        is_read && p.k <= E::K_BLOCK && p.work() < 4 * GRAIN && !self.shares()
    }

    /// All in one, with nothing between the product and its tiles: small ones would spend most of their time there.
    #[inline(always)]
    fn in_place<S: Simd>(&self, simd: S, pack: Packing) {
        let p = self.product;
        let (column, n, k_done, k, finish) = (0, p.n, 0, p.k, p.finish(true, true));
        let (packed, packing_row, multiply) = (Shared(std::ptr::null_mut()), None, PhantomData);
        let block = Block::<E, D> { p, pack, column, n, k_done, k, packed, packing_row, finish, multiply };
        let high = pack.tile_rows::<S, Sum<E>>(p.m);
        let rows = RowTiles { high, packed: None, tiles_pack: false, fetch: None };
        // SAFETY: the matrices are valid, and nothing is packed.
        unsafe { block.strips(simd, Part { row: 0, m: p.m, column, n }, rows) };
    }

    /// Whether each panel of `b` is best used as soon as it is packed, by whoever packed it: where that needs no other
    /// packing, and there are panels enough to share out.
    #[inline(always)]
    fn pays_by_panel<S: Simd>(&self, _: S, pack: Packing) -> bool {
        let panels = self.product.n.div_ceil(Tile::<S, Sum<E>>::COLUMNS);
        let threads = if self.may_share { pool::num_threads() } else { 1 };
        let is_even = panels.is_multiple_of(threads) || panels >= 4 * threads;
        !E::IS_COMPUTE && !pack.a && pack.a_is_near && is_even
    }

    /// Whether each thread had better pack all of `b` for rows of its own: where that is little, or tiles pack all that
    /// needs it and many use it, threads need not wait for each other in between, nor write to the same rows.
    #[inline(always)]
    fn pays_by_rows<S: Simd>(&self, _: S, pack: Packing) -> bool {
        let p = self.product;
        let (rows, panel) = (Tile::<S, Sum<E>>::ROWS, Tile::<S, Sum<E>>::COLUMNS);
        if !self.shares() {
            return false;
        }
        let has_tiles = |count: usize| p.m >= count * rows * pool::num_threads();
        let is_little = fits::<E>(p.n, p.k, PANELS_BYTES) && p.n <= B_COLUMNS;
        let tiles_pack = E::IS_COMPUTE && pack.b_by_tiles && (!pack.a || pack.a_by_tiles);
        is_little && has_tiles(2)
            || tiles_pack && has_tiles(FEW_TILES) && !shares_columns(p.m, p.n, p.k, p.n.div_ceil(panel))
    }

    /// Each thread with a packed `b` of its own.
    #[inline(always)]
    fn rows<S: Simd>(&self, simd: S, pack: Packing) {
        let (p, with, threads) = (self.product, self.with, pool::num_threads());
        let of_thread = |i: usize| pool::cut(p.m, threads, i);
        // Of a long product the last quarter of a thread's rows, in whole tiles of eight or twelve, is a task by itself, which
        // whoever is done first takes: a thread may be held up, and little is packed twice.
        let is_long = p.work() / threads >= LONG;
        let last = if is_long { p.m / threads / 4 / (2 * MAX_ROWS) * (2 * MAX_ROWS) } else { 0 };
        let tasks = if last > 0 { 2 } else { 1 };
        pool::run(tasks * threads, &|i| {
            let (first, end) = (of_thread(i / tasks), of_thread(i / tasks + 1));
            let rows = if i % tasks == 0 { first..end - last } else { end - last..end };
            // Room on the stack is touched page by page before it is used.
            if fits::<E>(p.n, p.k, STACK_BYTES) {
                some_rows::<S, E, D, STACK_BYTES>(simd, p, pack, rows.clone())
            } else {
                some_rows::<S, E, D, PANELS_BYTES>(simd, p, pack, rows.clone())
            }
            if let Some(with) = with {
                with(rows);
            }
        });
    }

    /// Whether the product is worth several threads, and none of its blocks of `k` is.
    #[inline(always)]
    fn has_small_blocks(&self) -> bool {
        let p = self.product;
        self.shares() && !is_worth_sharing(p.m * p.n * k_block::<E>(p.k))
    }

    /// Whether the product is worth several threads.
    #[inline(always)]
    fn shares(&self) -> bool {
        self.may_share && is_worth_sharing(self.product.work())
    }

    /// Panel by panel of `b`, used as soon as it is packed.
    #[inline(always)]
    fn panels<S: Simd>(&self, simd: S, pack: Packing) {
        let p = self.product;
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        let count = p.n.div_ceil(panel);
        if self.shares() {
            let grain = GRAIN.div_ceil(p.m * panel * p.k.max(1));
            pool::chunks(count, grain, |range| some_panels::<S, E, D>(simd, p, pack, range));
        } else {
            some_panels::<S, E, D>(simd, p, pack, 0..count);
        }
    }

    /// With room for packed `b` on this thread's stack. Not inlined: others need not make that room.
    #[inline(never)]
    fn on_stack<S: Simd>(self, simd: S, pack: Packing) {
        let mut room = Aligned(MaybeUninit::<[u8; STACK_BYTES]>::uninit());
        self.blocks(simd, pack, room.0.as_mut_ptr().cast());
    }

    /// Block by block of `k`, some columns at a time.
    #[inline(always)]
    fn blocks<S: Simd>(&self, simd: S, pack: Packing, packed: *mut Sum<E>) {
        let p = self.product;
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        let n_step = if pack.b { B_COLUMNS } else { p.n };
        for column in (0..p.n).step_by(n_step) {
            let n = n_step.min(p.n - column);
            let (packed, columns) = (Shared(packed), column..column + n);
            let panels = n.div_ceil(panel);
            if !(pack.b && self.shares() && shares_columns(p.m, n, p.k, panels)) {
                some_columns::<S, E, D>(simd, p, pack, columns, packed, self.may_share, None);
                continue;
            }
            let wide = panels.div_ceil(pool::num_threads().min(Shares::MOST)) * panel;
            // Threads are not always at the same block of `k`, and the last is shorter.
            let depth = items::<E, D>(k_block::<E>(p.k));
            let shares = Shares::new(columns, wide);
            pool::run(shares.count(), &|i| {
                let packed = Shared(packed.get().wrapping_add(i * wide * depth));
                some_columns::<S, E, D>(simd, p, pack, shares.share(i), packed, false, Some((&shares, i)));
            });
        }
    }
}

/// Some rows, with room for packed `b` on this thread's stack. Not inlined: others need not make that room.
#[inline(never)]
fn some_rows<S: Simd, E: GemmElem, D: Multiply<Sum<E>>, const BYTES: usize>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    rows: Range<usize>,
) {
    let mut room = Aligned(MaybeUninit::<[u8; BYTES]>::uninit());
    let packed = Shared(room.0.as_mut_ptr().cast());
    let wide = panels_in::<S, E, D>(p, BYTES) * Tile::<S, Sum<E>>::COLUMNS;
    k_blocks(p, |k_done, k, finish| {
        for column in (0..p.n).step_by(wide) {
            let (n, packing_row, multiply) = (wide.min(p.n - column), None, PhantomData);
            let block =
                Block::<E, D> { p, pack, column, n, k_done, k, packed, packing_row, finish, multiply };
            // SAFETY: the matrices are valid, and the packed block fits the room.
            unsafe { block.alone(simd, rows.clone()) };
        }
    });
}

/// Some columns, block by block of `k`: where they are one of several shares, those of others when they are done.
#[inline(always)]
fn some_columns<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    columns: Range<usize>,
    packed: Shared<*mut Sum<E>>,
    may_share: bool,
    shares: Option<(&Shares, usize)>,
) {
    let (column, n) = (columns.start, columns.len());
    let panel = Tile::<S, Sum<E>>::COLUMNS;
    let high = pack.tile_rows::<S, Sum<E>>(p.m);
    let rows = if pack.a { p.m.div_ceil(high) * row_step(high) } else { 0 };
    let is_alone = !may_share || pool::num_threads() == 1;
    if E::IS_COMPUTE && pack.b && is_alone && pack.a_stays && rows + PANELS * panel <= n {
        // The room for all columns holds all rows and some panels.
        let depth = items::<E, D>(k_block::<E>(p.k));
        let rows = pack.a.then_some(packed.get().wrapping_add(PANELS * panel * depth));
        let room = Room { side: PANELS, panels: packed, rows };
        return by_panels::<S, E, D>(simd, p, pack, columns, room, shares);
    }
    k_blocks(p, |k_done, k, finish| {
        let (packing_row, multiply) = (None, PhantomData);
        let block = Block::<E, D> { p, pack, column, n, k_done, k, packed, packing_row, finish, multiply };
        // SAFETY: the matrices are valid, and the packed block fits the room.
        unsafe { block.compute(simd, may_share) };
    });
}

/// The columns of some panels, through all of `k`.
#[inline(always)]
fn some_panels<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    range: Range<usize>,
) {
    if pack.a {
        panels_and_rows::<S, E, D>(simd, p, pack, range)
    } else if blocking::packed_bytes::<E>(p.n, p.k) <= STACK_BYTES {
        // Room on the stack is touched page by page before it is used.
        panels_with::<S, E, D, STACK_BYTES>(simd, p, pack, range, None)
    } else {
        panels_with::<S, E, D, PANELS_BYTES>(simd, p, pack, range, None)
    }
}

/// With room for packed rows of `a` on the stack. Not inlined: others need not make that room.
#[inline(never)]
fn panels_and_rows<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    range: Range<usize>,
) {
    const { assert!(FEW_TILES <= ROW_TILES) };
    let mut room = Aligned(MaybeUninit::<E::Rows>::uninit());
    panels_with::<S, E, D, PANELS_BYTES>(simd, p, pack, range, Some(room.0.as_mut_ptr().cast()));
}

/// With so many bytes of room for some panels on the stack. Not inlined: others need not make that room.
#[inline(never)]
fn panels_with<S: Simd, E: GemmElem, D: Multiply<Sum<E>>, const BYTES: usize>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    range: Range<usize>,
    packed_a: Option<*mut Sum<E>>,
) {
    let mut room = Aligned(MaybeUninit::<[u8; BYTES]>::uninit());
    let packed = Shared(room.0.as_mut_ptr().cast::<Sum<E>>());
    let panel = Tile::<S, Sum<E>>::COLUMNS;
    // A tile that packs takes one panel.
    let side = if D::IS_PAIR { 1 } else { PANELS.min(panels_in::<S, E, D>(p, BYTES)) };
    let columns = range.start * panel..(range.end * panel).min(p.n);
    by_panels::<S, E, D>(simd, p, pack, columns, Room { side, panels: packed, rows: packed_a }, None);
}

/// How many panels of `b` so many bytes hold.
#[inline(always)]
fn panels_in<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(p: &Product<E>, bytes: usize) -> usize {
    let depth = items::<E, D>(k_block::<E>(p.k)).max(1);
    bytes / (depth * Tile::<S, Sum<E>>::COLUMNS * size_of::<Sum<E>>())
}

/// A thread's room for what it packs.
struct Room<T> {
    /// As many panels of `b`.
    side: usize,
    panels: Shared<*mut T>,
    /// All rows of `a`, if they are packed.
    rows: Option<*mut T>,
}

/// Some columns, some panels at a time, each used as soon as it is packed. All rows of `a` stay near.
#[inline(always)]
fn by_panels<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    columns: Range<usize>,
    room: Room<Sum<E>>,
    shares: Option<(&Shares, usize)>,
) {
    let panel = Tile::<S, Sum<E>>::COLUMNS;
    let (high, wide) = (pack.tile_rows::<S, Sum<E>>(p.m), room.side * panel);
    k_blocks(p, |k_done, k, finish| {
        let block = |column: usize, n: usize| {
            let (packed, packing_row, multiply) = (room.panels, None, PhantomData);
            Block::<E, D> { p, pack, column, n, k_done, k, packed, packing_row, finish, multiply }
        };
        // Packs and uses some columns, of which there are more until `end`.
        let some_of = |some: Range<usize>, end: usize| {
            let block = block(some.start, some.len());
            // What is packed next.
            let (row, next) =
                if some.end < end { (k_done, some.end..end) } else { (k_done + k, columns.clone()) };
            let (k, n) = (k.min(p.k - row), wide.min(next.len()));
            let fetch = pack.b_is_far.then(|| p.fetch_b(row, k, next.start, n));
            // SAFETY: the matrices are valid; so many panels fit their room.
            unsafe {
                let block = block.packing(simd, 0);
                let part = Part { row: 0, m: p.m, column: 0, n: block.n };
                block.strips(
                    simd,
                    part,
                    RowTiles { high, packed: room.rows, tiles_pack: false, fetch: fetch.as_ref() },
                );
            }
        };
        if let Some(to) = room.rows {
            // SAFETY: the matrices are valid; all rows fit their room.
            unsafe { block(columns.start, 0).pack_rows(simd, high, 0, p.m, to) };
        }
        match shares {
            Some((shares, own)) if k_done + k == p.k => {
                // The sums of all other blocks are there.
                shares.open(own);
                for i in shares.turns(own) {
                    while let Some(some) = shares.take(i, panel, wide) {
                        some_of(some, shares.share(i).end);
                    }
                }
            }
            _ => {
                for first in columns.clone().step_by(wide) {
                    some_of(first..columns.end.min(first + wide), columns.end);
                }
            }
        }
    });
}

/// Calls `body` for each block of `k`: where it begins, its length, and the epilogue.
///
/// That is once even where `k` is zero: `c` is scaled, bias and activation are due.
#[inline(always)]
fn k_blocks<E: GemmElem>(p: &Product<E>, mut body: impl FnMut(usize, usize, Finish<Sum<E>>)) {
    let step = k_block::<E>(p.k);
    let mut done = 0;
    loop {
        let k = step.min(p.k - done);
        let is_last = done + k == p.k;
        body(done, k, p.finish(done == 0, is_last));
        done += k;
        if is_last {
            return;
        }
    }
}
