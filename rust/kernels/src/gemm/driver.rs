//! The loops around the tiles: what is packed, what is shared out, in which order.
use super::blocking::K_BLOCK_BYTES;
use super::blocking::{
    self, B_COLUMNS, FEW_TILES, GRAIN, MAX_ROWS, ROW_TILES, STACK_BYTES, TASKS_A_THREAD, Tile,
    UNPACKED_A_BYTES, UNPACKED_B_BYTES, block_columns, even_rows, k_block,
};
use super::epilogue::Finish;
use super::pack::{PackPanel, PackRows, row_step};
use super::tile::{self, Strip};
use super::{Activation, Gemm, GemmElem, gemv, split};
use crate::operand::Shared;
use crate::pool;
use crate::simd::{self, Kernel, Level, Simd};
use std::mem::MaybeUninit;
use std::ops::Range;

/// A product whose result has its columns closer than its rows.
#[derive(Clone, Copy)]
pub(super) struct Product<T> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Shared<*const T>,
    pub a_rs: isize,
    pub a_cs: isize,
    pub b: Shared<*const T>,
    pub b_rs: isize,
    pub b_cs: isize,
    pub c: Shared<*mut T>,
    pub c_rs: isize,
    pub c_cs: isize,
    alpha: T,
    beta: T,
    bias: Shared<*const T>,
    bias_rs: isize,
    bias_cs: isize,
    activation: Activation,
    /// This is `bᵀ aᵀ` for the caller's `a b`.
    pub is_transposed: bool,
}

impl<T: GemmElem> Product<T> {
    pub fn new(p: &Gemm<T>) -> Self {
        let (bias, bias_cs) = p.bias.unwrap_or((std::ptr::null(), 0));
        let product = Self {
            m: p.m,
            n: p.n,
            k: p.k,
            a: Shared(p.a),
            a_rs: p.a_rs,
            a_cs: p.a_cs,
            b: Shared(p.b),
            b_rs: p.b_rs,
            b_cs: p.b_cs,
            c: Shared(p.c),
            c_rs: p.c_rs,
            c_cs: p.c_cs,
            alpha: p.alpha,
            beta: p.beta,
            bias: Shared(bias),
            bias_rs: 0,
            bias_cs,
            activation: p.activation,
            is_transposed: false,
        };
        let is_column = p.n == 1 && p.m != 1;
        let rows_are_close = p.c_rs == 1 && p.c_cs != 1 && p.m != 1;
        if is_column || rows_are_close { product.transposed() } else { product }.settled()
    }

    fn transposed(self) -> Self {
        Self {
            m: self.n,
            n: self.m,
            a: self.b,
            a_rs: self.b_cs,
            a_cs: self.b_rs,
            b: self.a,
            b_rs: self.a_cs,
            b_cs: self.a_rs,
            c_rs: self.c_cs,
            c_cs: self.c_rs,
            bias_rs: self.bias_cs,
            bias_cs: self.bias_rs,
            is_transposed: true,
            ..self
        }
    }

    /// Steps along a dimension of one element are never taken: they may as well be 1.
    fn settled(mut self) -> Self {
        if self.n == 1 {
            (self.b_cs, self.c_cs) = (1, 1);
        }
        if self.k == 1 {
            (self.a_cs, self.b_rs) = (1, self.b_rs.max(1));
        }
        self
    }

    /// The same product that many elements further on.
    pub fn shifted(&self, [a, b, c]: [isize; 3]) -> Self {
        // The offsets are the caller's operands', which have changed places here.
        let (a, b) = if self.is_transposed { (b, a) } else { (a, b) };
        Self {
            // Wrapping, since only the caller's promise keeps the offsets inside.
            a: Shared(self.a.get().wrapping_offset(a)),
            b: Shared(self.b.get().wrapping_offset(b)),
            c: Shared(self.c.get().wrapping_offset(c)),
            ..*self
        }
    }

    /// The bare product of `k` columns of `a` and rows of `b`, in a place of its own.
    pub fn part(&self, k_done: usize, k: usize, c: *mut T, c_rs: isize) -> Self {
        let (zero, at) = (T::default(), k_done as isize);
        Self {
            k,
            a: Shared(self.a.get().wrapping_offset(at * self.a_cs)),
            b: Shared(self.b.get().wrapping_offset(at * self.b_rs)),
            c: Shared(c),
            c_rs,
            c_cs: 1,
            alpha: T::from_f64(1.0),
            beta: zero,
            bias: Shared(std::ptr::null()),
            activation: Activation::None,
            ..*self
        }
    }

    /// Multiply-adds.
    pub fn work(&self) -> usize {
        (self.m * self.n).saturating_mul(self.k.max(1))
    }

    /// The epilogue of a block of `k`.
    pub fn finish(&self, is_first: bool, is_last: bool) -> Finish<T> {
        let zero = T::default();
        Finish {
            alpha: self.alpha,
            beta: if is_first { self.beta } else { T::from_f64(1.0) },
            reads_c: !is_first || self.beta != zero,
            bias: if is_last { self.bias } else { Shared(std::ptr::null()) },
            bias_rs: self.bias_rs,
            bias_cs: self.bias_cs,
            activation: if is_last { self.activation } else { Activation::None },
        }
    }
}

/// Whether a product is done by one thread without scratch.
pub(super) fn is_small<T: GemmElem>(p: &Product<T>) -> bool {
    p.m == 1 || p.work() < 4 * GRAIN && blocking::packed_bytes::<T>(p.n, p.k) <= STACK_BYTES
}

/// Computes a product.
///
/// # Safety
/// The matrices must be valid and `c` not overlap the others; the machine supports `level`; `scratch` holds what
/// `workspace` says, unless the product [is small](is_small).
pub(super) unsafe fn run<T: GemmElem>(level: Level, product: &Product<T>, scratch: *mut u8, may_share: bool) {
    if product.m == 1 {
        // SAFETY: promised by the caller.
        return unsafe { gemv::run(level, product, may_share) };
    }
    if may_share && split::pays(product) {
        // SAFETY: promised by the caller.
        return unsafe { split::run(level, product, scratch) };
    }
    // SAFETY: promised by the caller.
    unsafe { simd::dispatch_unchecked(level, Driver { product, scratch, may_share }) }
}

struct Driver<'a, T> {
    product: &'a Product<T>,
    scratch: *mut u8,
    may_share: bool,
}

impl<T: GemmElem> Kernel for Driver<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let p = self.product;
        let pack = Packing::new::<S, T>(p);
        if !pack.b {
            self.blocks(simd, pack, std::ptr::null_mut());
        } else if p.m <= FEW_TILES * Tile::<S, T>::ROWS {
            self.panels(simd, pack);
        } else if is_small(p) {
            self.on_stack(simd, pack);
        } else {
            let aligned = self.scratch.wrapping_add(self.scratch.align_offset(64));
            self.blocks(simd, pack, aligned.cast());
        }
    }
}

/// What is packed.
#[derive(Clone, Copy)]
struct Packing {
    a: bool,
    b: bool,
}

impl Packing {
    fn new<S: Simd, T: GemmElem>(p: &Product<T>) -> Self {
        let (rows, columns) = (Tile::<S, T>::ROWS, Tile::<S, T>::COLUMNS);
        let k = k_block::<T>(p.k);
        // What a block reaches over, gaps included: what stays in the cache by itself need not be packed.
        let reach = |lines: usize, length: usize, stride: isize| {
            stride.unsigned_abs().max(length).saturating_mul(lines * size_of::<T>())
        };
        let a_reach = if p.a_cs == 1 { reach(p.m, k, p.a_rs) } else { reach(k, p.m, p.a_cs) };
        let a_is_strided = p.a_rs != 1 && p.a_cs != 1;
        let b_is_wide = reach(k, p.n, p.b_rs) > UNPACKED_B_BYTES;
        Self {
            a: a_is_strided || (a_reach > UNPACKED_A_BYTES && p.n > 3 * columns),
            b: p.b_cs != 1 || (b_is_wide && p.m > 2 * rows),
        }
    }
}

#[repr(align(64))]
struct Aligned<T>(MaybeUninit<T>);

impl<T: GemmElem> Driver<'_, T> {
    /// Few rows: panel by panel of `b`, used as soon as it is packed.
    #[inline(always)]
    fn panels<S: Simd>(&self, simd: S, pack: Packing) {
        let p = self.product;
        let panel = Tile::<S, T>::COLUMNS;
        let count = p.n.div_ceil(panel);
        if self.may_share && p.work() >= 2 * GRAIN {
            let grain = GRAIN.div_ceil(p.m * panel * p.k.max(1));
            pool::chunks(count, grain, |range| some_panels(simd, p, pack, range));
        } else {
            some_panels(simd, p, pack, 0..count);
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
    fn blocks<S: Simd>(&self, simd: S, pack: Packing, packed: *mut T) {
        let p = self.product;
        let n_step = if pack.b { B_COLUMNS } else { p.n };
        for column in (0..p.n).step_by(n_step) {
            let n = n_step.min(p.n - column);
            k_blocks(p, |k_done, k, finish| {
                let block = Block { p, pack, column, n, k_done, k, packed: Shared(packed), finish };
                // SAFETY: the matrices are valid, and the packed block fits the room.
                unsafe { block.compute(simd, self.may_share) };
            });
        }
    }
}

/// The columns of some panels, through all of `k`.
#[inline(always)]
fn some_panels<S: Simd, T: GemmElem>(simd: S, p: &Product<T>, pack: Packing, range: Range<usize>) {
    if pack.a { panels_and_rows(simd, p, pack, range) } else { panels_with(simd, p, pack, range, None) }
}

/// With room for packed rows of `a` on the stack. Not inlined: others need not make that room.
#[inline(never)]
fn panels_and_rows<S: Simd, T: GemmElem>(simd: S, p: &Product<T>, pack: Packing, range: Range<usize>) {
    const { assert!(FEW_TILES <= ROW_TILES) };
    let mut room = Aligned(MaybeUninit::<RowRoom>::uninit());
    panels_with(simd, p, pack, range, Some(room.0.as_mut_ptr().cast()));
}

/// With room for a panel on the stack. Not inlined: others need not make that room.
#[inline(never)]
fn panels_with<S: Simd, T: GemmElem>(
    simd: S,
    p: &Product<T>,
    pack: Packing,
    range: Range<usize>,
    packed_a: Option<*mut T>,
) {
    let mut room = Aligned(MaybeUninit::<[u8; STACK_BYTES]>::uninit());
    let packed = Shared(room.0.as_mut_ptr().cast::<T>());
    let panel = Tile::<S, T>::COLUMNS;
    let high = even_rows(p.m, Tile::<S, T>::ROWS);
    k_blocks(p, |k_done, k, finish| {
        let mut rows_are_packed = false;
        for column in range.clone().map(|i| i * panel) {
            let n = panel.min(p.n - column);
            let block = Block { p, pack, column, n, k_done, k, packed, finish };
            // SAFETY: the matrices are valid; one panel and all rows fit their rooms.
            unsafe {
                if let (Some(to), false) = (packed_a, rows_are_packed) {
                    block.pack_rows(simd, high, 0, p.m, to);
                    rows_are_packed = true;
                }
                block.pack_panel(simd, 0);
                block.strips(simd, high, Part { row: 0, m: p.m, column: 0, n }, packed_a);
            }
        }
    });
}

/// Calls `body` for each block of `k`: where it begins, its length, and the epilogue.
///
/// That is once even where `k` is zero: `c` is scaled, bias and activation are due.
#[inline(always)]
fn k_blocks<T: GemmElem>(p: &Product<T>, mut body: impl FnMut(usize, usize, Finish<T>)) {
    let step = k_block::<T>(p.k);
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
struct Block<'a, T> {
    p: &'a Product<T>,
    pack: Packing,
    column: usize,
    n: usize,
    k_done: usize,
    k: usize,
    packed: Shared<*mut T>,
    finish: Finish<T>,
}

impl<T: GemmElem> Block<'_, T> {
    /// # Safety
    /// The matrices are valid, and `packed` has room where `b` is packed.
    #[inline(always)]
    unsafe fn compute<S: Simd>(&self, simd: S, may_share: bool) {
        let (rows, panel) = (Tile::<S, T>::ROWS, Tile::<S, T>::COLUMNS);
        let work = self.p.m * self.n * self.k.max(1);
        let shares = may_share && work >= 2 * GRAIN && pool::num_threads() > 1;
        let high = even_rows(self.p.m, rows);
        if !shares {
            if self.pack.b {
                // SAFETY: promised by the caller.
                (0..self.n.div_ceil(panel)).for_each(|i| unsafe { self.pack_panel(simd, i) });
            }
            // SAFETY: promised by the caller.
            unsafe { self.part(simd, high, Part { row: 0, m: self.p.m, column: 0, n: self.n }) };
            return;
        }
        if self.pack.b {
            let grain = (8 << 10) / (self.k.max(1) * panel) + 1;
            pool::chunks(self.n.div_ceil(panel), grain, |range| {
                // SAFETY: promised by the caller; each panel has its own room.
                range.for_each(|i| unsafe { self.pack_panel(simd, i) });
            });
        }
        // SAFETY: promised by the caller.
        unsafe { self.share(simd, high) }
    }

    /// Shares the block out, by rows as far as they go: then what is packed of `a` is packed once.
    unsafe fn share<S: Simd>(&self, simd: S, high: usize) {
        let panel = Tile::<S, T>::COLUMNS;
        let worth_it = self.p.m.saturating_mul(self.n).saturating_mul(self.k.max(1)) / (GRAIN / 2);
        let wanted = (TASKS_A_THREAD * pool::num_threads()).min(worth_it).max(1);
        let tiles = self.p.m.div_ceil(high);
        let tiles_down = tiles.div_ceil(wanted);
        let down = tiles.div_ceil(tiles_down);
        let wide = self.n.div_ceil(wanted.div_ceil(down)).next_multiple_of(panel);
        pool::run(down * self.n.div_ceil(wide), &|i| {
            // Neighbouring tasks use the same columns of `b`.
            let (row, column) = (i % down * tiles_down * high, i / down * wide);
            let (m, n) = ((tiles_down * high).min(self.p.m - row), wide.min(self.n - column));
            // SAFETY: promised by the caller; parts do not overlap.
            unsafe { self.part(simd, high, Part { row, m, column, n }) }
        });
    }

    unsafe fn pack_panel<S: Simd>(&self, simd: S, i: usize) {
        let p = self.p;
        let panel = Tile::<S, T>::COLUMNS;
        let first = i * panel;
        let at = self.k_done as isize * p.b_rs + (self.column + first) as isize * p.b_cs;
        // SAFETY: promised by the caller.
        let (b, to) = unsafe { (p.b.get().offset(at), self.packed.get().add(first * self.k)) };
        let n = panel.min(self.n - first);
        simd.vectorize(PackPanel { n, k: self.k, b, b_rs: p.b_rs, b_cs: p.b_cs, to });
    }

    /// A part of the block, by this thread.
    ///
    /// # Safety
    /// The part is inside, begins with a panel, and nobody else writes there.
    #[inline(always)]
    unsafe fn part<S: Simd>(&self, simd: S, high: usize, part: Part) {
        // SAFETY: promised by the caller.
        unsafe {
            if self.pack.a {
                self.part_packing(simd, high, part);
            } else {
                self.each_wide(simd, part, |wide| self.strips(simd, high, wide, None));
            }
        }
    }

    /// Calls `body` with pieces of the part, as wide as leaves their columns of `b` in the core's cache.
    #[inline(always)]
    fn each_wide<S: Simd>(&self, _: S, part: Part, mut body: impl FnMut(Part)) {
        let wide = block_columns::<T>(part.n, self.k, Tile::<S, T>::COLUMNS);
        for done in (0..part.n).step_by(wide) {
            body(Part { column: part.column + done, n: wide.min(part.n - done), ..part });
        }
    }

    /// With room for some packed rows of `a` on the stack.
    #[inline(never)]
    unsafe fn part_packing<S: Simd>(&self, simd: S, high: usize, part: Part) {
        let mut room = Aligned(MaybeUninit::<RowRoom>::uninit());
        let packed = room.0.as_mut_ptr().cast::<T>();
        let step = ROW_TILES * high;
        for done in (0..part.m).step_by(step) {
            let some = Part { row: part.row + done, m: step.min(part.m - done), ..part };
            // SAFETY: promised by the caller; a group of tiles fits the room.
            unsafe {
                self.pack_rows(simd, high, some.row, some.m, packed);
                self.each_wide(simd, some, |wide| self.strips(simd, high, wide, Some(packed)));
            }
        }
    }

    unsafe fn pack_rows<S: Simd>(&self, simd: S, high: usize, row: usize, m: usize, to: *mut T) {
        const { assert!(T::K_BLOCK * size_of::<T>() <= K_BLOCK_BYTES) };
        let (p, k) = (self.p, self.k);
        let at = row as isize * p.a_rs + self.k_done as isize * p.a_cs;
        // SAFETY: promised by the caller.
        let a = unsafe { p.a.get().offset(at) };
        simd.vectorize(PackRows { m, high, k, a, a_rs: p.a_rs, a_cs: p.a_cs, to });
    }

    /// Tile after tile of rows, all columns of the part each.
    #[inline(always)]
    unsafe fn strips<S: Simd>(&self, simd: S, high: usize, part: Part, packed_a: Option<*mut T>) {
        let p = self.p;
        let column = self.column + part.column;
        // SAFETY: promised by the caller.
        unsafe {
            let (b, b_rs, b_panel) = if self.pack.b {
                let panel = Tile::<S, T>::COLUMNS as isize;
                (self.packed.get().add(part.column * self.k).cast_const(), panel, panel * self.k as isize)
            } else {
                let at = self.k_done as isize * p.b_rs + column as isize * p.b_cs;
                (p.b.get().offset(at), p.b_rs, Tile::<S, T>::COLUMNS as isize)
            };
            let is_plain = self.finish.is_plain() && p.c_cs == 1;
            for done in (0..part.m).step_by(high) {
                let row = part.row + done;
                let rows = high.min(part.m - done);
                let (a, a_step, rows_are_close) = match packed_a {
                    Some(packed) => {
                        let tile = packed.add(done / high * row_step(high) * self.k);
                        (tile.cast_const(), row_step(rows) as isize, true)
                    }
                    None => {
                        let at = row as isize * p.a_rs + self.k_done as isize * p.a_cs;
                        let a = p.a.get().offset(at);
                        if p.a_cs == 1 { (a, p.a_rs, false) } else { (a, p.a_cs, true) }
                    }
                };
                let strip = Strip {
                    n: part.n,
                    k: self.k,
                    a,
                    a_step,
                    b,
                    b_rs,
                    b_panel,
                    c: p.c.get().offset(row as isize * p.c_rs + column as isize * p.c_cs),
                    c_rs: p.c_rs,
                    c_cs: p.c_cs,
                    row,
                    column,
                    finish: &self.finish,
                    is_plain,
                };
                tile::run(simd, rows, rows_are_close, &strip);
            }
        }
    }
}

/// Some rows of the product and some columns of a block.
#[derive(Clone, Copy)]
struct Part {
    row: usize,
    m: usize,
    column: usize,
    n: usize,
}

/// Room for the rows of `a` that are packed together.
type RowRoom = [u8; ROW_TILES * MAX_ROWS * K_BLOCK_BYTES];
