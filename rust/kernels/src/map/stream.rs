//! Results too large for any cache are stored past them: an ordinary store would first read the line it overwrites.
use crate::simd::{Float, FloatVec, Kernel, Level, Simd, dispatch_unchecked, stream_fence};
use std::mem::MaybeUninit;

/// Results of so many bytes are gone from the caches before anybody reads them; tests need not be that large.
const FAR: usize = if cfg!(test) { 64 << 10 } else { 16 << 20 };
/// Elements computed at a time, in the first cache.
const BLOCK: usize = 1024;
/// What a streaming store must be aligned to at every level.
const LINE: usize = 64;

/// Whether `n` elements of `y` are worth it.
pub(super) fn is_far<B>(n: usize, y: *const B) -> bool {
    n.saturating_mul(size_of::<B>()) >= FAR && y.addr().is_multiple_of(LINE)
}

/// Room for a block.
#[repr(align(64))]
struct Room<B>(MaybeUninit<[B; BLOCK]>);

/// Calls `compute` for blocks of `n` elements, with where a block begins, where it is to be written and how long it is,
/// and moves each to `y`.
///
/// # Safety
/// `y` has room for `n` elements and is aligned as [`is_far`] asks; the machine supports `level`.
pub(super) unsafe fn in_blocks<B: Copy>(
    level: Level,
    n: usize,
    y: *mut B,
    mut compute: impl FnMut(usize, *mut B, usize),
) {
    let mut room = Room::<B>(MaybeUninit::uninit());
    let block = room.0.as_mut_ptr().cast::<B>();
    for start in (0..n).step_by(BLOCK) {
        let len = BLOCK.min(n - start);
        compute(start, block, len);
        let lines = len * size_of::<B>() / LINE;
        let moved = lines * LINE / size_of::<B>();
        // SAFETY: the block and `y` have so many elements; blocks begin at whole lines; the level is supported.
        unsafe {
            let to = y.add(start);
            dispatch_unchecked(
                level,
                Move { from: block.cast(), to: to.cast(), n: lines * LINE / size_of::<f32>() },
            );
            std::ptr::copy_nonoverlapping(block.add(moved), to.add(moved), len - moved);
        }
    }
    stream_fence();
}

type F32s<S> = <f32 as Float>::Vec<S>;

/// Moves whole lines, whatever is in them.
struct Move {
    from: *const f32,
    to: *mut f32,
    n: usize,
}

impl Kernel for Move {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for i in (0..self.n).step_by(F32s::<S>::LANES) {
            // SAFETY: `n` is a multiple of a line, and lines of both vectors.
            unsafe {
                F32s::<S>::load(simd, self.from.add(i)).stream(self.to.add(i));
            }
        }
    }
}
