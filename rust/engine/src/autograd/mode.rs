//! Whether operations are recorded on the graph, by thread.
use std::cell::Cell;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on this thread are recorded on the graph.
pub fn grad_enabled() -> bool {
    ENABLED.get()
}

/// Switches the recording on this thread; returns what it was.
pub fn set_grad_enabled(on: bool) -> bool {
    ENABLED.replace(on)
}

/// Switches the recording until dropped.
pub struct GradMode(bool);

impl GradMode {
    /// Switches the recording on this thread.
    pub fn set(on: bool) -> Self {
        Self(set_grad_enabled(on))
    }
}

impl Drop for GradMode {
    fn drop(&mut self) {
        set_grad_enabled(self.0);
    }
}
