//! One source for every instruction set.
//!
//! A computation is a [`Kernel`], generic over a token [`Simd`] whose possession proves that the machine has the
//! instructions; [`dispatch`] runs it at the machine's [`level`](fn@level). Vectors are made from the token and from each other.
//!
//! Call [`dispatch`] (or read [`level`](fn@level)) on the thread that called the kernel, not inside a pool task: one kernel runs
//! at one level.
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dot;
mod element;
mod level;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod macros;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;
mod vector;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use dot::{dispatch_dot, has_fast_dot};
pub use element::FloatElem;
pub(crate) use element::narrow_bf16;
#[cfg(test)]
pub use level::with_level;
pub use level::{Level, available, init, level};
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;
pub use vector::{Float, FloatVec, IntVec, Kernel, MAX_LANES, Mask, Scalar, Simd, WordVec};

/// Runs a kernel at the chosen [`level`](fn@level).
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the chosen level is one the machine supports.
    unsafe { dispatch_unchecked(level(), kernel) }
}

/// Runs a kernel at a given level. Panics where the machine lacks it.
pub fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    assert!(level.is_supported(), "{level} does not run on this machine");
    // SAFETY: just checked.
    unsafe { dispatch_unchecked(level, kernel) }
}

/// Runs a kernel at a given level.
///
/// # Safety
/// The machine supports the level.
#[inline]
pub unsafe fn dispatch_unchecked<K: Kernel>(level: Level, kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Avx512::new_unchecked().vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Avx2::new_unchecked().vectorize(kernel),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => Neon::new_unchecked().vectorize(kernel),
            _ => Portable::new_unchecked().vectorize(kernel),
        }
    }
}

/// Bytes of a cache line, and what a streaming store must be aligned to at every level.
pub const LINE: usize = 64;

/// What begins with a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Aligned<T>(pub T);

const _: () = assert!(align_of::<Aligned<u8>>() == LINE);

/// How many elements lie before the first whole vector of `bytes`, at most `n`.
#[inline(always)]
pub(crate) fn before_whole<T>(ptr: *const T, bytes: usize, n: usize) -> usize {
    (ptr.addr().wrapping_neg() % bytes / size_of::<T>()).min(n)
}

/// The same for rows of `n`, `stride` elements apart, if it holds in all of them; else none.
#[inline(always)]
pub(crate) fn before_whole_rows<T>(ptr: *const T, stride: isize, bytes: usize, n: usize) -> usize {
    let is_even = (stride.unsigned_abs() * size_of::<T>()).is_multiple_of(bytes);
    if is_even { before_whole(ptr, bytes, n) } else { 0 }
}

/// Orders stores made by [`FloatVec::stream`] before whatever this thread does next.
#[inline(always)]
pub fn stream_fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has it.
    unsafe {
        std::arch::x86_64::_mm_sfence()
    }
}

/// Brings a cache line near; any address will do.
#[inline(always)]
pub fn prefetch<T>(ptr: *const T) {
    prefetch_to::<T, 3>(ptr);
}

/// Brings the cache lines of `bytes` bytes near; any address will do.
#[inline(always)]
pub fn prefetch_lines<T>(ptr: *const T, bytes: usize) {
    for at in (0..bytes).step_by(LINE) {
        prefetch(ptr.cast::<u8>().wrapping_add(at));
    }
}

/// Brings a cache line as near as the second cache; any address will do.
#[inline(always)]
pub fn prefetch_far<T>(ptr: *const T) {
    prefetch_to::<T, 2>(ptr);
}

/// The nearer the cache, the larger `HINT`, as x86-64 numbers them.
#[inline(always)]
fn prefetch_to<T, const HINT: i32>(ptr: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<HINT>(ptr.cast())
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = ptr;
}
