//! Small results of long sums, as weights' gradients are: there are too few tiles to share out, but many blocks of `k`.
//!
//! Each block's sums go to a place of their own, whoever computes them; then they are added to `c` block by block, just
//! as if one thread had gone through them. So this is only another way to share out, and changes no bit.
use super::blocking::{
    self, FEW_TILES, GRAIN, MAX_BYTES, MAX_ROWS, SPLIT_BYTES, SPLIT_ELEMENTS, is_worth_sharing, k_block,
    shares_columns,
};
use super::driver;
use super::epilogue::FinishTile;
use super::product::Product;
use super::{GemmElem, Sum, gemv};
use crate::operand::Shared;
use crate::pool;
use crate::simd::{self, Level, MAX_LANES};

/// Elements from row to row of the sums: whole vectors are read and written.
fn row(n: usize) -> usize {
    n.next_multiple_of(MAX_LANES)
}

/// Bytes for the sums of a block, and for what is packed on the way, which is nothing for one row.
fn block_bytes<E: GemmElem>(m: usize, n: usize, k: usize) -> (usize, usize) {
    let sums = (m * row(n) * size_of::<Sum<E>>()).next_multiple_of(64);
    let packed = if m == 1 { 0 } else { blocking::packed_bytes::<E>(n, k) };
    (sums, packed.next_multiple_of(64))
}

/// The length of blocks.
fn length<E: GemmElem>(m: usize, k: usize) -> usize {
    if m == 1 { gemv::k_block::<E>(k) } else { k_block::<E>(k) }
}

/// How many blocks of `k` are computed at a time; fewer than two where the product is not to be split.
fn blocks_at_a_time<E: GemmElem>(m: usize, n: usize, k: usize) -> usize {
    // One column is computed transposed, nothing not at all.
    if m * n == 0 || k <= E::K_BLOCK || n < 2 && m > 1 || m.saturating_mul(row(n)) > SPLIT_ELEMENTS {
        return 0;
    }
    let (sums, packed) = block_bytes::<E>(m, n, k);
    k.div_ceil(length::<E>(m, k)).min(SPLIT_BYTES / (sums + packed))
}

/// The scratch that a split takes.
pub(super) fn bytes<E: GemmElem>(m: usize, n: usize, k: usize) -> usize {
    let count = blocks_at_a_time::<E>(m, n, k);
    if count < 2 {
        return 0;
    }
    let (sums, packed) = block_bytes::<E>(m, n, k);
    // Sums are added up in a place of their own, where `c` is none. Room to align it to a cache line.
    count * (sums + packed) + sums + 64
}

/// Whether sharing out blocks of `k` beats sharing out each block: where there are rows enough for all threads it does not.
pub(super) fn pays<E: GemmElem>(p: &Product<E>) -> bool {
    if !is_worth_sharing(p.work()) || blocks_at_a_time::<E>(p.m, p.n, p.k) < 2 {
        return false;
    }
    if p.m == 1 {
        return gemv::shares_blocks(p);
    }
    let panels = p.n.div_ceil(MAX_BYTES / size_of::<Sum<E>>());
    p.m < FEW_TILES * MAX_ROWS * pool::num_threads() && !shares_columns(p.m, p.n, p.k, panels)
}

/// Computes a product for which this [pays].
///
/// # Safety
/// As for `driver::run`; `scratch` holds [`bytes`].
pub(super) unsafe fn run<E: GemmElem>(level: Level, p: &Product<E>, scratch: *mut u8) {
    let (length, count) = (length::<E>(p.m, p.k), blocks_at_a_time::<E>(p.m, p.n, p.k));
    let (sums_bytes, packed_bytes) = block_bytes::<E>(p.m, p.n, p.k);
    let all_sums = Shared(scratch.wrapping_add(scratch.align_offset(64)));
    let acc = Shared(all_sums.get().wrapping_add(count * sums_bytes).cast::<Sum<E>>());
    let all_packed = Shared(all_sums.get().wrapping_add((count + 1) * sums_bytes));
    let sums = |block: usize| all_sums.get().wrapping_add(block * sums_bytes).cast::<Sum<E>>();
    let grain = GRAIN.div_ceil(p.m * p.n * length);
    for first in (0..p.k).step_by(count * length) {
        let k_here = (count * length).min(p.k - first);
        let blocks = k_here.div_ceil(length);
        pool::chunks(blocks, grain, |range| {
            // Blocks of one task follow each other in the same room.
            let packed = all_packed.get().wrapping_add(range.start * packed_bytes);
            for block in range {
                let done = block * length;
                let part = p.part(first + done, length.min(k_here - done), sums(block), row(p.n));
                // SAFETY: promised by the caller; each block has its own sums, each task its own room.
                unsafe { driver::run(level, &part, packed, false, None) };
            }
        });
        let grain = SPLIT_ELEMENTS.div_ceil(row(p.n) * blocks);
        pool::chunks(p.m, grain, |rows| {
            let tile = FinishTile::<E> {
                finish: &p.finish(first == 0, first + k_here == p.k),
                sums: sums(0).wrapping_add(rows.start * row(p.n)).cast_const(),
                stride: row(p.n),
                blocks,
                block_stride: sums_bytes / size_of::<Sum<E>>(),
                rows: rows.len(),
                columns: p.n,
                row: rows.start,
                column: 0,
                c: p.c.get().wrapping_offset(rows.start as isize * p.c_rs),
                c_rs: p.c_rs,
                c_cs: p.c_cs,
                acc: acc.get().wrapping_add(rows.start * row(p.n)),
                acc_rs: row(p.n) as isize,
            };
            // SAFETY: promised by the caller; the tasks write different rows, and sums are whole vectors.
            unsafe { simd::dispatch_unchecked(level, tile) };
        });
    }
}
