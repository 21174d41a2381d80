//! Huge pages for large blocks: a product of large matrices or an optimizer's step over many parameters touches more ordinary
//! pages than the processor remembers the addresses of.

/// What a huge page holds, and how blocks that should have some are aligned.
pub(crate) const PAGE: usize = 2 << 20;

/// Asks for huge pages in a block that begins with a whole one. The system may say no: they change nothing but speed.
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) fn advise(block: *mut u8, bytes: usize) {
    unsafe extern "C" {
        fn madvise(addr: *mut std::ffi::c_void, length: usize, advice: i32) -> i32;
    }
    const HUGE_PAGES: i32 = 14;
    debug_assert!(block.addr().is_multiple_of(PAGE));
    // SAFETY: whole pages of a block that is the caller's; this advice leaves what they hold alone.
    let _ = unsafe { madvise(block.cast(), bytes / PAGE * PAGE, HUGE_PAGES) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub(crate) fn advise(_block: *mut u8, _bytes: usize) {}
