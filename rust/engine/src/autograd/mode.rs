//! Whether operations are recorded on the graph, by thread.
use crate::mode;

/// Whether operations on this thread are recorded on the graph.
pub fn grad_enabled() -> bool {
    mode::mode().grad
}

/// Switches the recording on this thread; returns what it was.
pub fn set_grad_enabled(on: bool) -> bool {
    let before = grad_enabled();
    mode::change(|m| m.grad = on);
    before
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
