//! Results too large for any cache are stored past them: an ordinary store would first read the line it overwrites.
use crate::simd::{Float, FloatVec, Kernel, LINE, Level, Simd, dispatch_unchecked};

/// Results of so many bytes are gone from the caches before anybody reads them; tests need not be that large.
const FAR: usize = if cfg!(test) { 64 << 10 } else { 16 << 20 };

/// Whether `n` elements of `y` are worth it. In place, the lines are in the cache already.
pub(super) fn pays<A, B>(n: usize, x: &[*const A], y: *const B) -> bool {
    n.saturating_mul(size_of::<B>()) >= FAR && x.iter().all(|x| x.addr() != y.addr())
}

/// Moves `n` elements past the caches.
///
/// # Safety
/// Both have room for as many; both begin at whole lines; the machine supports `level`.
pub(super) unsafe fn lines<B: Copy>(level: Level, from: *const B, to: *mut B, n: usize) {
    let whole = n * size_of::<B>() / LINE * LINE;
    let moved = whole / size_of::<B>();
    // SAFETY: the caller's promise.
    unsafe {
        dispatch_unchecked(level, Move { from: from.cast(), to: to.cast(), n: whole / size_of::<f32>() });
        std::ptr::copy_nonoverlapping(from.add(moved), to.add(moved), n - moved);
    }
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
