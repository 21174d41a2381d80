//! The loops around the tiles: what is packed, what is shared out, in which order.
use super::blocking::{
    self, ASIDE_COLUMNS, B_COLUMNS, FAR, FEW_TILES, GRAIN, MAX_ROWS, PANELS_BYTES, Packing, ROW_TILES,
    STACK_BYTES, Tile, block_columns, even_rows, items, k_block, parts, shares_columns,
};
use super::epilogue::{Finish, FinishTile};
use super::fetch::Fetch;
use super::pack::{PANELS, PackPanels, PackRows, row_step};
use super::product::Product;
use super::tile::{self, Ahead, Multiply, Ones, Strip};
use super::{GemmElem, Sum, gemv, split};
use crate::operand::Shared;
use crate::pool;
use crate::simd::{self, Kernel, Level, Simd};
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
    let fits = || blocking::packed_bytes::<E>(n, k) <= STACK_BYTES && !waits::<E>(k);
    m == 1 || m.saturating_mul(n).saturating_mul(k) < 4 * GRAIN && fits()
}

/// Computes a product.
///
/// # Safety
/// The matrices must be valid and `c` not overlap the others; the machine supports `level`; `scratch` holds what
/// `workspace` says.
pub(super) unsafe fn run<E: GemmElem>(level: Level, product: &Product<E>, scratch: *mut u8, may_share: bool) {
    if product.m == 1 {
        // SAFETY: promised by the caller.
        return unsafe { gemv::run(level, product, may_share) };
    }
    if may_share && split::pays(product) {
        // SAFETY: promised by the caller.
        return unsafe { split::run(level, product, scratch) };
    }
    let packed = scratch.wrapping_add(scratch.align_offset(64));
    if waits::<E>(product.k) {
        let bytes = blocking::packed_bytes::<E>(product.n, product.k).next_multiple_of(64);
        let acc = Shared(packed.wrapping_add(bytes).cast());
        let product = product.waiting(acc);
        // SAFETY: promised by the caller.
        return unsafe { enter(level, &product, packed, may_share) };
    }
    // SAFETY: promised by the caller.
    unsafe { enter(level, product, packed, may_share) }
}

/// With the machine's best way to multiply.
///
/// # Safety
/// As for [`run`]; `packed` is aligned to a cache line.
#[inline(always)]
unsafe fn enter<E: GemmElem>(level: Level, product: &Product<E>, packed: *mut u8, may_share: bool) {
    // SAFETY: promised by the caller; the machine multiplies pairs where it says so.
    unsafe {
        if !E::IS_COMPUTE && simd::has_fast_dot(level) {
            simd::dispatch_dot(Driver::<E, E::Multiply>::new(product, packed, may_share))
        } else {
            simd::dispatch_unchecked(level, Driver::<E, Ones>::new(product, packed, may_share))
        }
    }
}

struct Driver<'a, E: GemmElem, D> {
    product: &'a Product<E>,
    /// Where what is packed goes: aligned to a cache line.
    packed: *mut u8,
    may_share: bool,
    multiply: PhantomData<D>,
}

impl<E: GemmElem, D: Multiply<Sum<E>>> Kernel for Driver<'_, E, D> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let p = self.product;
        let pack = Packing::new::<S, E, D>(p);
        if !pack.b {
            self.blocks(simd, pack, std::ptr::null_mut());
        } else if p.m <= FEW_TILES * Tile::<S, Sum<E>>::ROWS || self.pays_by_panel(simd, pack) {
            self.panels(simd, pack);
        } else if is_small::<E>(p.m, p.n, p.k) {
            self.on_stack(simd, pack);
        } else {
            self.blocks(simd, pack, self.packed.cast());
        }
    }
}

#[repr(align(64))]
struct Aligned<T>(MaybeUninit<T>);

impl<'a, E: GemmElem, D: Multiply<Sum<E>>> Driver<'a, E, D> {
    fn new(product: &'a Product<E>, packed: *mut u8, may_share: bool) -> Self {
        Self { product, packed, may_share, multiply: PhantomData }
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

    /// Whether the product is worth several threads.
    #[inline(always)]
    fn shares(&self) -> bool {
        self.may_share && self.product.work() >= 2 * GRAIN && pool::num_threads() > 1
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
            let packed = Shared(packed);
            let panels = n.div_ceil(panel);
            if !(pack.b && self.shares() && shares_columns(p.m, n, p.k, panels)) {
                some_columns::<S, E, D>(simd, p, pack, column, n, packed, self.may_share);
                continue;
            }
            let wide = panels.div_ceil(pool::num_threads()) * panel;
            // Threads are not always at the same block of `k`, and the last is shorter.
            let depth = items::<E, D>(k_block::<E>(p.k));
            pool::run(n.div_ceil(wide), &|i| {
                let first = i * wide;
                let (n, packed) = (wide.min(n - first), Shared(packed.get().wrapping_add(first * depth)));
                some_columns::<S, E, D>(simd, p, pack, column + first, n, packed, false);
            });
        }
    }
}

/// Some columns, block by block of `k`.
#[inline(always)]
fn some_columns<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    column: usize,
    n: usize,
    packed: Shared<*mut Sum<E>>,
    may_share: bool,
) {
    let panel = Tile::<S, Sum<E>>::COLUMNS;
    let high = even_rows(p.m, Tile::<S, Sum<E>>::ROWS);
    let rows = if pack.a { p.m.div_ceil(high) * row_step(high) } else { 0 };
    let is_alone = !may_share || pool::num_threads() == 1;
    if E::IS_COMPUTE && pack.b && is_alone && pack.a_stays && rows + PANELS * panel <= n {
        // The room for all columns holds all rows and some panels.
        let depth = items::<E, D>(k_block::<E>(p.k));
        let a = pack.a.then_some(packed.get().wrapping_add(PANELS * panel * depth));
        return by_panels::<S, E, D>(simd, p, pack, column..column + n, PANELS, packed, a);
    }
    k_blocks(p, |k_done, k, finish| {
        let (tiles_pack, multiply) = (false, PhantomData);
        let block = Block::<E, D> { p, pack, column, n, k_done, k, packed, tiles_pack, finish, multiply };
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
    let fit = BYTES / (items::<E, D>(k_block::<E>(p.k)).max(1) * panel * size_of::<Sum<E>>());
    // A tile that packs takes one panel.
    let side = if D::IS_PAIR { 1 } else { PANELS.min(fit) };
    let columns = range.start * panel..(range.end * panel).min(p.n);
    by_panels::<S, E, D>(simd, p, pack, columns, side, packed, packed_a);
}

/// Some columns, at most `side` panels at a time, each used as soon as it is packed. All rows of `a` stay near: where they are
/// packed, in `packed_a`.
#[inline(always)]
fn by_panels<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(
    simd: S,
    p: &Product<E>,
    pack: Packing,
    columns: Range<usize>,
    side: usize,
    packed: Shared<*mut Sum<E>>,
    packed_a: Option<*mut Sum<E>>,
) {
    let panel = Tile::<S, Sum<E>>::COLUMNS;
    let (high, wide) = (even_rows(p.m, Tile::<S, Sum<E>>::ROWS), side * panel);
    k_blocks(p, |k_done, k, finish| {
        for column in columns.clone().step_by(wide) {
            let n = wide.min(columns.end - column);
            // While the first tile multiplies, the machine has time to pack.
            let tiles_pack = D::IS_PAIR && p.b_cs == 1 && n == panel && k.is_multiple_of(2);
            let multiply = PhantomData;
            let block = Block::<E, D> { p, pack, column, n, k_done, k, packed, tiles_pack, finish, multiply };
            // What is packed next.
            let (row, next) =
                if column + n < columns.end { (k_done, column + n) } else { (k_done + k, columns.start) };
            let (k, n) = (k.min(p.k - row), wide.min(columns.end - next));
            let fetch = pack.b_is_far.then(|| p.fetch_b(row, k, next, n));
            // SAFETY: the matrices are valid; so many panels and all rows fit their rooms.
            unsafe {
                if let (Some(to), true) = (packed_a, column == columns.start) {
                    block.pack_rows(simd, high, 0, p.m, to);
                }
                if !tiles_pack {
                    block.pack_panels(simd, 0..block.n.div_ceil(panel));
                }
                let part = Part { row: 0, m: p.m, column: 0, n: block.n };
                block.strips(simd, high, part, packed_a, fetch.as_ref());
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

/// Some columns of the product for one block of `k`.
struct Block<'a, E: GemmElem, D> {
    p: &'a Product<E>,
    pack: Packing,
    column: usize,
    n: usize,
    k_done: usize,
    k: usize,
    packed: Shared<*mut Sum<E>>,
    /// The first rows' tile packs `b`, which is one whole panel.
    tiles_pack: bool,
    finish: Finish<Sum<E>>,
    multiply: PhantomData<D>,
}

impl<E: GemmElem, D: Multiply<Sum<E>>> Block<'_, E, D> {
    /// Rows of a packed panel, columns of packed rows.
    #[inline(always)]
    fn depth(&self) -> usize {
        items::<E, D>(self.k)
    }

    /// # Safety
    /// The matrices are valid, and `packed` has room where `b` is packed.
    #[inline(always)]
    unsafe fn compute<S: Simd>(&self, simd: S, may_share: bool) {
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        let work = self.p.m * self.n * self.k.max(1);
        let shares = may_share && work >= 2 * GRAIN && pool::num_threads() > 1;
        if !shares {
            if self.pack.b {
                // SAFETY: promised by the caller.
                unsafe { self.pack_panels(simd, 0..self.n.div_ceil(panel)) };
            }
            // SAFETY: promised by the caller.
            unsafe { self.part(simd, Part { row: 0, m: self.p.m, column: 0, n: self.n }) };
            return;
        }
        if self.pack.b {
            let grain = (8 << 10) / (self.k.max(1) * panel) + 1;
            pool::chunks(self.n.div_ceil(panel), grain, |range| {
                // SAFETY: promised by the caller; each panel has its own room.
                unsafe { self.pack_panels(simd, range) };
            });
        }
        // SAFETY: promised by the caller.
        unsafe { self.share(simd) }
    }

    /// Shares the block out in parts.
    unsafe fn share<S: Simd>(&self, simd: S) {
        let (rows, panel) = (Tile::<S, Sum<E>>::ROWS, Tile::<S, Sum<E>>::COLUMNS);
        let work = self.p.m.saturating_mul(self.n).saturating_mul(self.k.max(1));
        let most = work / (GRAIN / 2);
        let (tiles, panels) = (self.p.m.div_ceil(rows), self.n.div_ceil(panel));
        let (tiles_down, panels_wide) = parts(tiles, panels, pool::num_threads(), most, self.pack.a);
        // Evenly: threads that do as much are done together.
        let (high, wide) = (even_rows(self.p.m, tiles_down * rows), panels_wide * panel);
        let down = self.p.m.div_ceil(high);
        pool::run(down * self.n.div_ceil(wide), &|i| {
            // Neighbouring tasks use the same columns of `b`.
            let (row, column) = (i % down * high, i / down * wide);
            let (m, n) = (high.min(self.p.m - row), wide.min(self.n - column));
            // SAFETY: promised by the caller; parts do not overlap.
            unsafe { self.part(simd, Part { row, m, column, n }) }
        });
    }

    /// # Safety
    /// The matrices are valid, and `packed` has room.
    unsafe fn pack_panels<S: Simd>(&self, simd: S, range: Range<usize>) {
        let p = self.p;
        let panel = Tile::<S, Sum<E>>::COLUMNS;
        for i in range.clone().step_by(PANELS) {
            let first = i * panel;
            let n = (PANELS.min(range.end - i) * panel).min(self.n - first);
            let at = self.k_done as isize * p.b_rs + (self.column + first) as isize * p.b_cs;
            // SAFETY: promised by the caller.
            let (b, to) = unsafe { (p.b.get().offset(at), self.packed.get().add(first * self.depth())) };
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
        let high = even_rows(part.m, Tile::<S, Sum<E>>::ROWS);
        // SAFETY: promised by the caller.
        unsafe {
            if self.pack.a {
                self.part_packing(simd, high, part);
            } else {
                self.each_wide(simd, part, |wide| self.strips(simd, high, wide, None, None));
            }
        }
    }

    /// Calls `body` with pieces of the part, as wide as leaves their columns of `b` in the core's cache.
    #[inline(always)]
    fn each_wide<S: Simd>(&self, _: S, part: Part, mut body: impl FnMut(Part)) {
        let wide = block_columns::<Sum<E>>(part.n, self.depth(), Tile::<S, Sum<E>>::COLUMNS);
        for done in (0..part.n).step_by(wide) {
            body(Part { column: part.column + done, n: wide.min(part.n - done), ..part });
        }
    }

    /// With room for some packed rows of `a` on the stack.
    #[inline(never)]
    unsafe fn part_packing<S: Simd>(&self, simd: S, high: usize, part: Part) {
        let mut room = Aligned(MaybeUninit::<E::Rows>::uninit());
        let packed = room.0.as_mut_ptr().cast::<Sum<E>>();
        let step = ROW_TILES * high;
        for done in (0..part.m).step_by(step) {
            let some = Part { row: part.row + done, m: step.min(part.m - done), ..part };
            // What is packed next.
            let fetch =
                self.p.fetch_a(some.row + some.m, step.min(part.m - done - some.m), self.k_done, self.k);
            // SAFETY: promised by the caller; a group of tiles fits the room.
            unsafe {
                self.pack_rows(simd, high, some.row, some.m, packed);
                self.each_wide(simd, some, |wide| {
                    // Late enough that it is still there.
                    let is_last = wide.column + wide.n == part.column + part.n;
                    self.strips(simd, high, wide, Some(packed), is_last.then_some(&fetch));
                });
            }
        }
    }

    unsafe fn pack_rows<S: Simd>(&self, simd: S, high: usize, row: usize, m: usize, to: *mut Sum<E>) {
        let (p, k) = (self.p, self.k);
        let at = row as isize * p.a_rs + self.k_done as isize * p.a_cs;
        // SAFETY: promised by the caller.
        let a = unsafe { p.a.get().offset(at) };
        simd.vectorize(PackRows { m, high, k, a, a_rs: p.a_rs, a_cs: p.a_cs, to, multiply: self.multiply });
    }

    /// Tile after tile of rows, all columns of the part each.
    #[inline(always)]
    unsafe fn strips<S: Simd>(
        &self,
        simd: S,
        high: usize,
        part: Part,
        packed_a: Option<*mut Sum<E>>,
        fetch: Option<&Fetch>,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            let p = self.p;
            let (row, column) = (part.row as isize, (self.column + part.column) as isize);
            let far =
                |ptr, rs| (self.finish.reads_old && self.k > FAR).then(|| Ahead::new::<Sum<E>>(ptr, rs));
            if E::IS_COMPUTE {
                let to = Target {
                    c: p.c.get().wrapping_offset(row * p.c_rs + column * p.c_cs).cast(),
                    c_rs: p.c_rs,
                    c_cs: p.c_cs,
                    finish: &self.finish,
                    is_plain: self.finish.is_plain() && p.c_cs == 1,
                    ahead: far(p.c.get().cast(), p.c_rs),
                    fetch,
                };
                self.strips_to(simd, high, part, packed_a, to);
            } else if let Some(finish) =
                self.finish.direct((D::IS_PAIR && p.c_cs == 1).then(|| (p.c.get(), p.c_rs)))
            {
                let to = Target {
                    c: p.acc.get().wrapping_offset(row * p.acc_rs + column),
                    c_rs: p.acc_rs,
                    c_cs: 1,
                    finish: &finish,
                    is_plain: true,
                    ahead: if finish.writes_acc || finish.reads_acc {
                        far(p.acc.get(), p.acc_rs)
                    } else {
                        (self.k > FAR).then(|| Ahead::new(p.c.get(), p.c_rs))
                    },
                    fetch,
                };
                self.strips_to(simd, high, part, packed_a, to);
            } else {
                self.strips_aside(simd, high, part, packed_a, fetch);
            }
        }
    }

    /// Tile after tile of rows, to where sums are elements.
    #[inline(always)]
    unsafe fn strips_to<S: Simd>(
        &self,
        simd: S,
        high: usize,
        part: Part,
        packed_a: Option<*mut Sum<E>>,
        mut to: Target<'_, Sum<E>>,
    ) {
        for done in (0..part.m).step_by(high) {
            // SAFETY: promised by the caller.
            unsafe { self.strip(simd, high, part, done, packed_a, &to) };
            to.c = to.c.wrapping_offset(high as isize * to.c_rs);
        }
    }

    /// The same where sums are no elements of `c`: a strip's go to the stack first.
    #[inline(never)]
    unsafe fn strips_aside<S: Simd>(
        &self,
        simd: S,
        high: usize,
        part: Part,
        packed_a: Option<*mut Sum<E>>,
        fetch: Option<&Fetch>,
    ) {
        let (p, stride) = (self.p, ASIDE_COLUMNS);
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
            is_plain: true,
            ahead: (self.k > FAR).then_some(ahead),
            fetch,
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
                unsafe { self.strip(simd, high, some, done, packed_a, &to) };
                simd.vectorize(tile);
            }
        }
    }

    /// The tile of rows that begins `done` rows down the part.
    #[inline(always)]
    unsafe fn strip<S: Simd>(
        &self,
        simd: S,
        high: usize,
        part: Part,
        done: usize,
        packed_a: Option<*mut Sum<E>>,
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
                let at = self.k_done as isize * p.b_rs + column as isize * p.b_cs;
                (p.b.get().offset(at).cast(), p.b_rs, Tile::<S, Sum<E>>::COLUMNS as isize)
            };
            let raw = if self.tiles_pack && done == 0 {
                p.b.get().offset(self.k_done as isize * p.b_rs + column as isize).cast()
            } else {
                std::ptr::null()
            };
            let (a, a_step, rows_are_close) = match packed_a {
                Some(packed) => {
                    let tile = packed.add(done / high * row_step(high) * depth);
                    (tile.cast_const(), row_step(rows) as isize, true)
                }
                None => {
                    let at = row as isize * p.a_rs + self.k_done as isize * p.a_cs;
                    let a = p.a.get().offset(at).cast();
                    let item = (size_of::<Sum<E>>() / size_of::<E>()) as isize;
                    if p.a_cs == 1 { (a, p.a_rs / item, false) } else { (a, p.a_cs, true) }
                }
            };
            let strip = Strip {
                n: part.n,
                k: depth,
                a,
                a_step,
                b,
                b_rs,
                b_panel,
                raw,
                raw_rs: p.b_rs,
                c: to.c,
                c_rs: to.c_rs,
                c_cs: to.c_cs,
                row,
                column,
                finish: to.finish,
                is_plain: to.is_plain,
                ahead: to.ahead.as_ref(),
                fetch: to.fetch,
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
    is_plain: bool,
    ahead: Option<Ahead>,
    fetch: Option<&'a Fetch>,
}

/// Some rows of the product and some columns of a block.
#[derive(Clone, Copy)]
struct Part {
    row: usize,
    m: usize,
    column: usize,
    n: usize,
}
