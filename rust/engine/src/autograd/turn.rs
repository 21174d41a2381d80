//! Whose turn it is: to add to a leaf's `.grad`, into which two threads may walk back, or to replay a program.
use std::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

use retrograd_kernels::pool;

/// A lock that a child of `fork` finds open, whichever thread of its parent held it.
///
/// No hook may run while a leaf's is held: it waits for Python, and who has that may wait here.
#[derive(Default)]
pub(crate) struct Turns(AtomicU32);

/// A turn, until it is dropped.
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// A turn, if it is nobody else's.
    #[inline]
    pub(crate) fn try_take(&self) -> Option<Turn<'_>> {
        // Zero says that it is nobody's, any other number in which of forked processes it was taken.
        let mine = pool::forks() + 1;
        let take = |from| self.0.compare_exchange(from, mine, Acquire, Relaxed);
        match take(0) {
            Ok(_) => Some(Turn(self)),
            Err(holder) if holder != mine && take(holder).is_ok() => Some(Turn(self)),
            Err(_) => None,
        }
    }

    /// A turn, once it is nobody else's.
    #[inline]
    pub(crate) fn take(&self) -> Turn<'_> {
        self.try_take().unwrap_or_else(|| self.wait())
    }

    #[cold]
    fn wait(&self) -> Turn<'_> {
        const SPINS: u32 = 100;
        const NAP: Duration = Duration::from_micros(20);
        let mut tries = 0;
        loop {
            // An addition to a small gradient is over before a thread sleeps; a large product is not.
            if tries < SPINS {
                tries += 1;
                std::hint::spin_loop();
            } else {
                std::thread::sleep(NAP);
            }
            if let Some(turn) = self.try_take() {
                return turn;
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Release);
    }
}
