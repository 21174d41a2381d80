//! What a forked child must know: threads do not survive `fork`, so it needs a new team.
use super::team;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static FORKS: AtomicU32 = AtomicU32::new(0);

/// A number that is higher in a child of `fork` than in its parent: what was locked under another is held by a thread that
/// does not exist here.
#[inline]
pub fn forks() -> u32 {
    watch();
    FORKS.load(Ordering::Relaxed)
}

/// Makes every later `fork` forget the team in the child.
#[inline]
pub(super) fn watch() {
    static WATCHING: AtomicBool = AtomicBool::new(false);
    if !WATCHING.load(Ordering::Acquire) {
        register();
        // Two threads may both register: the handler may run twice without harm, whereas a lock here
        // could be held by a third thread at the moment of a fork.
        WATCHING.store(true, Ordering::Release);
    }
}

#[cfg(all(unix, not(miri)))]
fn register() {
    use std::ffi::c_int;
    type Handler = Option<unsafe extern "C" fn()>;
    unsafe extern "C" {
        fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
    }
    unsafe extern "C" fn child() {
        team::forget();
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler only writes to atomics, which is allowed in a child of a threaded process.
    // It can fail only for lack of memory; then children must not use the pool, and nothing else breaks.
    let _ = unsafe { pthread_atfork(None, None, Some(child)) };
}

#[cfg(not(all(unix, not(miri))))]
fn register() {
    // No `fork` here. The function stays referenced, so that it is checked everywhere.
    let _ = team::forget;
}
