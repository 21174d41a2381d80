//! Elements with gaps between them: collected, and spread again.

/// `to[i] = from[i * step]`. To be inlined where the level's instructions are at hand.
///
/// # Safety
/// `n` elements lie at `from` in these steps, and there is room for them at `to`, which does not overlap.
#[inline(always)]
pub(super) unsafe fn gather<T: Copy>(from: *const T, step: isize, to: *mut T, n: usize) {
    // Steps known to the compiler become vectors and shuffles.
    // SAFETY: the caller's promise.
    unsafe {
        match step {
            1 => std::ptr::copy_nonoverlapping(from, to, n),
            -1 => (0..n).for_each(|i| *to.add(i) = *from.offset(-(i as isize))),
            2 => (0..n).for_each(|i| *to.add(i) = *from.add(2 * i)),
            3 => (0..n).for_each(|i| *to.add(i) = *from.add(3 * i)),
            4 => (0..n).for_each(|i| *to.add(i) = *from.add(4 * i)),
            _ => (0..n).for_each(|i| *to.add(i) = *from.offset(i as isize * step)),
        }
    }
}

/// `to[i * step] = from[i]`.
///
/// # Safety
/// `n` elements lie at `from` and may be written at `to` in these steps; they do not overlap.
#[inline(always)]
pub(super) unsafe fn scatter<T: Copy>(from: *const T, to: *mut T, step: isize, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match step {
            1 => std::ptr::copy_nonoverlapping(from, to, n),
            _ => (0..n).for_each(|i| *to.offset(i as isize * step) = *from.add(i)),
        }
    }
}
