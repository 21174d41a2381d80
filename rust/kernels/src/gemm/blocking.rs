//! How products are cut: a table, and the rules that read it. Nothing here changes a result.
use super::multiply::Multiply;
use super::product::Product;
use super::{GemmElem, Single, Sum};
use crate::cache;
use crate::pool;
use crate::simd::{FloatVec, Level, Simd};
use crate::transpose::{COLLISION_BYTES, SQUARE, can_turn};
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// Vectors a tile is wide.
pub(super) const VECTORS: usize = 2;

/// The most rows a tile has at any level.
pub(super) const MAX_ROWS: usize = 12;

/// Rows of the largest tile: as many as leave a register for each vector of `b` and one to broadcast to.
const fn tile_rows(level: Level) -> usize {
    match level {
        Level::Avx512 => 12, // 24 of 32 registers
        Level::Neon => 8,    // 16 of 32: enough to cover the latency of two pipes
        Level::Avx2 => 6,    // 12 of 16
        Level::Portable => 4,
    }
}

/// The least lines that a set of the first cache holds.
const WAYS: usize = 8;

/// The shape of tiles of `T` at a level.
pub(super) struct Tile<S, T>(PhantomData<(S, T)>);

impl<S: Simd, T: Single> Tile<S, T> {
    /// The most rows.
    pub const ROWS: usize = tile_rows(S::LEVEL);
    /// Columns.
    pub const COLUMNS: usize = VECTORS * T::Vec::<S>::LANES;
}

/// Bytes of the widest tile's row at any level: scratch is asked for before the level counts.
pub(super) const MAX_BYTES: usize = VECTORS * 64;

/// So many panels are much more work than packing the rows that pass them.
const MANY_PANELS: usize = 16;

/// The most tasks a thread: one who comes late finds less to do.
const TASKS_A_THREAD: usize = 16;

/// Columns of `b` packed at a time, to bound the scratch.
pub(super) const B_COLUMNS: usize = 4096;

/// The most columns of a narrow product, and the least rows: it is computed transposed.
pub(super) const NARROW: usize = 4;
pub(super) const MANY_ROWS: usize = 32;

/// Rows that fill a vector, and leave a `b` that must be turned for them more to turn than themselves.
pub(super) const FEW_ROWS: RangeInclusive<usize> = 8..=48;

/// Tiles whose rows of `a` go together, packed or from afar: where rows are close, several share a cache line.
pub(super) const ROW_TILES: usize = 4;

/// What it takes, in multiply-adds, that two threads write to a row of `c`: each core fetches ahead, and takes lines from the
/// other. Where sums take long, stores do not wait for it.
const ROW_OF_TWO: usize = 1024;

/// So many tiles of rows do not pay for packing all of `b` before it is used.
pub(super) const FEW_TILES: usize = 4;

/// Below so many multiply-adds by each, a second thread costs more than it brings.
pub(super) const GRAIN: usize = 96 << 10;

/// Of so many by each, the last rows of a thread are a task by themselves.
pub(super) const LONG: usize = 256 * GRAIN;

/// The most bytes of packed `b` that a task keeps on its own stack, where some panels will do and where all must be there.
pub(super) const PANELS_BYTES: usize = 256 << 10;
pub(super) const STACK_BYTES: usize = 64 << 10;

/// The most elements of a result whose blocks of `k` are shared out: larger ones have tiles enough.
pub(super) const SPLIT_ELEMENTS: usize = 32 << 10;

/// The most scratch that takes.
pub(super) const SPLIT_BYTES: usize = 16 << 20;

/// So many rounds take longer than memory does.
pub(super) const FAR: usize = 64;

/// Columns whose sums go to the stack before they become elements of `c`.
pub(super) const ASIDE_COLUMNS: usize = 256;

/// The length of the blocks `k` is cut into: a function of `k` and the dtype alone.
pub(super) fn k_block<T: GemmElem>(k: usize) -> usize {
    if k <= T::K_BLOCK {
        return k;
    }
    k.div_ceil(k.div_ceil(T::K_BLOCK)).next_multiple_of(8)
}

/// How many items tiles read of `k` elements of a row.
#[inline(always)]
pub(super) fn items<E: GemmElem, D: Multiply<Sum<E>>>(k: usize) -> usize {
    match (E::IS_COMPUTE, D::IS_PAIR) {
        (true, _) => k,
        (false, true) => k.div_ceil(2),
        (false, false) => k.next_multiple_of(2),
    }
}

/// What is packed.
#[derive(Clone, Copy, Default)]
pub(super) struct Packing {
    pub a: bool,
    pub b: bool,
    /// Rows of `a` are read where they lie, far from each other or in a few sets of the first cache: by few at a time.
    pub a_is_scattered: bool,
    /// All of `a` stays in the level-two cache, beside other work, or while panels of `b` go through it.
    pub a_is_near: bool,
    pub a_stays: bool,
    /// `b` does not, and what is packed next had better be asked for early.
    pub b_is_far: bool,
    /// Tiles can pack them on their way: they lie as tiles read them.
    pub a_by_tiles: bool,
    pub b_by_tiles: bool,
    /// Tiles [turn](super::turned_b) `b` on their way.
    pub tiles_turn_b: bool,
}

impl Packing {
    // Not by way of memory, where a few bytes are not soon read as one word.
    #[inline(always)]
    pub fn new<S: Simd, E: GemmElem, D: Multiply<Sum<E>>>(p: &Product<E>) -> Self {
        let (rows, columns) = (Tile::<S, Sum<E>>::ROWS, Tile::<S, Sum<E>>::COLUMNS);
        let k = k_block::<E>(p.k);
        // What stays in the cache by itself need not be packed.
        let a_reach = if p.a_cs == 1 { reach::<E>(p.m, k, p.a_rs) } else { reach::<E>(k, p.m, p.a_cs) };
        // Elements are read in place as sums' type, or as pairs if none is cut by the end of a row.
        let a_is_ready = if E::IS_COMPUTE {
            p.a_rs == 1 || p.a_cs == 1
        } else {
            D::IS_PAIR && p.a_cs == 1 && p.k.is_multiple_of(2) && p.a_rs % 2 == 0
        };
        let cache = cache::level_two();
        let unpacked_a = if p.n > MANY_PANELS * columns { cache / 2 } else { cache };
        let row_bytes = p.a_rs.unsigned_abs().saturating_mul(size_of::<E>());
        let a_collides = p.a_cs == 1 && p.m > 4 && row_bytes.is_multiple_of(COLLISION_BYTES);
        let a_is_scattered = a_reach > unpacked_a || a_collides;
        // Packing rows takes longer than reading them by few, unless all columns go by in a few tiles, the higher the better.
        let a_pays = p.n > 3 * columns && (p.a_cs != 1 || p.m <= FEW_TILES * rows);
        let a = !a_is_ready || a_is_scattered && a_pays;
        let b_reach = reach::<E>(k, p.n, p.b_rs);
        let b_is_turned = p.b_rs == 1 && p.b_cs != 1;
        let tiles_turn_b =
            E::IS_COMPUTE && can_turn::<E>(S::LEVEL) && b_is_turned && !a && p.m <= rows && p.k >= SQUARE / 2;
        Self {
            a,
            tiles_turn_b,
            b: !tiles_turn_b && (!E::IS_COMPUTE || p.b_cs != 1 || b_reach > cache / 2 && p.m > 2 * rows),
            a_is_scattered: a_is_scattered && !a && p.a_cs == 1,
            a_is_near: a_reach <= cache / 4,
            a_stays: p.m * k * size_of::<Sum<E>>() <= cache / 2,
            b_is_far: p.n * k * size_of::<E>() > cache / 4,
            a_by_tiles: E::IS_COMPUTE && p.a_rs == 1,
            b_by_tiles: (E::IS_COMPUTE || D::IS_PAIR) && p.b_cs == 1,
        }
    }

    /// The height of tiles that cover `m` rows most evenly.
    #[inline(always)]
    pub fn tile_rows<S: Simd, T: Single>(&self, m: usize) -> usize {
        let most = Tile::<S, T>::ROWS;
        even_rows(m, if self.a_is_scattered { most.min(WAYS) } else { most })
    }
}

/// The bytes that so many lines of a matrix reach over, gaps included.
pub(super) fn reach<T>(lines: usize, length: usize, stride: isize) -> usize {
    stride.unsigned_abs().max(length).saturating_mul(lines * size_of::<T>())
}

/// The bytes that packing `b` may take.
pub(super) fn packed_bytes<T: GemmElem>(n: usize, k: usize) -> usize {
    let columns = n.next_multiple_of(MAX_BYTES / size_of::<Sum<T>>()).min(B_COLUMNS);
    let items = columns.saturating_mul(k_block::<T>(k).next_multiple_of(2));
    // Room to align it to a cache line.
    items.saturating_mul(size_of::<Sum<T>>()).saturating_add(64)
}

/// The height of tiles or parts, of `most` rows at most, that cover `m` rows most evenly.
pub(super) fn even_rows(m: usize, most: usize) -> usize {
    // Without dividing, which small products would feel.
    if m <= most { m } else { m.div_ceil(m.div_ceil(most)) }
}

/// Columns of `b` whose block, `k` long, stays in a core's level-two cache beside other work; a multiple of `panel`.
pub(super) fn block_columns<T>(n: usize, k: usize, panel: usize) -> usize {
    let most = (cache::level_two() / 4 / size_of::<T>() / k.max(1) / panel).max(1);
    let panels = n.div_ceil(panel);
    panels.div_ceil(panels.div_ceil(most)) * panel
}

/// Whether so many multiply-adds are worth several threads.
pub(super) fn is_worth_sharing(work: usize) -> bool {
    work >= 2 * GRAIN && pool::num_threads() > 1
}

/// Whether several threads had better share out columns, each packing its own panels of `b`: what they then read of each
/// other's, `a` here and `c` by rows in what follows, is less than the panels of `b`, and all have about as many.
pub(super) fn shares_columns(m: usize, n: usize, k: usize, panels: usize) -> bool {
    let threads = pool::num_threads();
    let is_even = panels.is_multiple_of(threads) || panels >= 8 * threads;
    is_even && m.saturating_mul(k + n) < n.saturating_mul(k)
}

/// How many rows high and columns wide the parts are that `threads` share out, at most `most` parts, whole tiles but for the
/// last: as is soonest done by threads that take turns.
pub(super) fn parts<S: Simd, T: Single>(
    (m, n, k): (usize, usize, usize),
    threads: usize,
    most: usize,
    pack: Packing,
) -> (usize, usize) {
    let (rows, panel) = (Tile::<S, T>::ROWS, Tile::<S, T>::COLUMNS);
    let (tiles, panels) = (m.div_ceil(rows), n.div_ceil(panel));
    let most = most.min(TASKS_A_THREAD * threads).max(1);
    let mut best = (usize::MAX, (m, n));
    for down in 1..=tiles.min(most) {
        // Evenly: threads that do as much are done together.
        let high = even_rows(m, tiles.div_ceil(down) * rows);
        for across in 1..=panels.min(most / down) {
            let wide = n.min(panels.div_ceil(across) * panel);
            let count = m.div_ceil(high) * n.div_ceil(wide);
            // In multiply-adds: a part packs its rows of `a`, or reads them from afar, and so its columns of `b`, which may lie
            // in another core's cache if they are packed. The last is for the part itself.
            let shared = if across > 1 { ROW_OF_TWO / k.max(1) } else { 0 };
            let row = if pack.a { panel } else { rows / 4 };
            let column = if pack.b { panel / 2 } else { rows / 4 };
            let time = high * (wide + row + shared) + wide * column + panel * rows / 4;
            best = best.min((count.div_ceil(threads) * time, (high, wide)));
        }
    }
    best.1
}
