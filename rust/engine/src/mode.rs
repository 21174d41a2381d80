//! Which interceptors are on, by thread: one word, looked at once an operation.
use std::cell::Cell;

/// The state of the interceptors.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    /// Operations go on the graph.
    pub(crate) grad: bool,
    /// Kernel calls are recorded.
    pub(crate) recording: bool,
    /// How many vmaps are nested.
    pub(crate) vmap: u32,
    /// Views know their base. Those within a backward pass need not: nobody writes into them.
    pub(crate) views: bool,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode { grad: true, recording: false, vmap: 0, views: true }) };
}

/// The state on this thread.
#[inline]
pub(crate) fn mode() -> Mode {
    MODE.get()
}

/// Changes the state on this thread.
pub(crate) fn change(f: impl FnOnce(&mut Mode)) {
    let mut mode = MODE.get();
    f(&mut mode);
    MODE.set(mode);
}
