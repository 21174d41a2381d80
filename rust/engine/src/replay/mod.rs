//! Replay: one run of a function recorded as a linear program of kernel calls, run again without Python.
//!
//! What is recorded are kernels on storages: views, the graph and the backward pass have melted away by
//! then. See `docs/architecture.md`.
mod places;
mod plan;
mod program;
mod recorder;

pub use program::Program;
pub use recorder::{Recording, note_shared};
pub(crate) use recorder::{
    check_host_read, check_host_write, note_constant, note_grad_read, note_grad_write, record, recording,
};

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Notes that something changed that decides which ops a function runs, such as train and eval mode:
/// programs recorded before are not replayed any more.
pub fn structure_changed() {
    EPOCH.fetch_add(1, Relaxed);
}

/// How often the structure has changed.
pub fn epoch() -> u64 {
    EPOCH.load(Relaxed)
}
