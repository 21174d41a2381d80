//! Sums on their way to a `c` whose rows are neighbours, and not its columns: turned in registers.
use super::Single;
use super::blocking::{MAX_ROWS, VECTORS};
use super::epilogue::{FinishTile, gated};
use super::pack::row_step;
use super::tile::Strip;
use crate::simd::{FloatVec, Kernel, MAX_LANES, Simd};
use crate::transpose;
use std::mem::MaybeUninit;

/// The most elements of a tile at any level, its rows rounded up.
const ROOM: usize = 2 * MAX_ROWS * VECTORS * MAX_LANES;

/// A tile of sums that takes the way [of those](super::epilogue::Way::Turned).
pub(super) struct FinishTurned<'a, T: Single>(pub FinishTile<'a, T>);

impl<T: Single> Kernel for FinishTurned<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let tile = &self.0;
        let mut room = MaybeUninit::<[T; ROOM]>::uninit();
        let (turned, step) = (room.as_mut_ptr().cast::<T>(), row_step(tile.rows));
        debug_assert!(tile.columns * step + MAX_LANES <= ROOM);
        // SAFETY: the room is that of the largest tile.
        unsafe {
            transpose::panel(simd, tile.rows, tile.columns, tile.sums, tile.stride as isize, turned, step)
        };
        // Tiles are hardly higher than half a vector is long.
        let (half, lanes) = (simd.half(), T::Vec::<S::Half>::LANES);
        for first in (0..tile.rows).step_by(lanes) {
            let n = lanes.min(tile.rows - first);
            // SAFETY: the tile is inside `c`, as promised by whoever made it.
            unsafe {
                let turned = turned.add(first);
                if n == lanes {
                    self.lines::<S::Half, true>(half, first, n, turned, step);
                } else {
                    self.lines::<S::Half, false>(half, first, n, turned, step);
                }
            }
        }
    }
}

impl<T: Single> FinishTurned<'_, T> {
    /// `n` rows from the `first` on of all columns, of which each is a line here.
    #[inline(always)]
    unsafe fn lines<S: Simd, const WHOLE: bool>(
        &self,
        simd: S,
        first: usize,
        n: usize,
        turned: *const T,
        step: usize,
    ) {
        let (tile, finish) = (&self.0, self.0.finish);
        // SAFETY: promised by the caller.
        unsafe {
            let load = |ptr: *const T| {
                if WHOLE { T::Vec::<S>::load(simd, ptr) } else { T::Vec::<S>::load_first(simd, ptr, n) }
            };
            let bias = finish.bias.get().cast::<T>();
            let bias = if bias.is_null() { None } else { Some(load(bias.add(tile.row + first))) };
            for j in 0..tile.columns {
                let c = tile.c.offset(j as isize * tile.c_cs).add(first);
                let mut value = load(turned.add(j * step));
                if finish.reads_old {
                    value = value + load(c);
                }
                if let Some(bias) = bias {
                    value = value + bias;
                }
                value = finish.activation.of(value);
                if !finish.gate.get().is_null() {
                    value =
                        gated::<S, T>(simd, value, load(finish.gate_at(tile.row + first, tile.column + j)));
                }
                if WHOLE { value.store(c) } else { value.store_first(c, n) }
            }
        }
    }
}

/// The most rows whose sums are soonest turned one by one on their way to a `c` whose rows are close.
pub(super) const FEW: usize = 4;

/// Stores the sums of as few rows, [turned](super::epilogue::Way::Turned) and [bare](super::epilogue::Finish::is_bare).
///
/// # Safety
/// The tile is inside `c`.
#[inline(always)]
pub(super) unsafe fn store_few<S: Simd, T: Single, const R: usize>(
    simd: S,
    strip: &Strip<'_, T>,
    mut sums: [T::Vec<S>; R],
    columns: usize,
) {
    let bias = strip.finish.bias.get().cast::<T>();
    let mut spilled = [[T::default(); MAX_LANES]; R];
    // SAFETY: promised by the caller.
    unsafe {
        for r in 0..R {
            if !bias.is_null() {
                sums[r] = sums[r] + T::Vec::<S>::splat(simd, *bias.add(strip.row + r));
            }
            sums[r].store(spilled[r].as_mut_ptr());
        }
        for j in 0..columns {
            let c = strip.c.offset(j as isize * strip.c_cs);
            for (r, spilled) in spilled.iter().enumerate() {
                *c.add(r) = *spilled.get_unchecked(j);
            }
        }
    }
}
