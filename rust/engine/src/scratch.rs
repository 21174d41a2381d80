//! Memory a kernel works in while it runs.
use std::ptr::NonNull;

use crate::alloc;
use crate::error::Result;

/// A block from the allocator, given back when dropped.
pub(crate) struct Scratch {
    block: Option<NonNull<u8>>,
    bytes: usize,
}

impl Scratch {
    /// A block of at least `bytes`; none where that is zero.
    pub(crate) fn new(bytes: usize) -> Result<Self> {
        let block = if bytes == 0 { None } else { Some(alloc::allocate(bytes)?) };
        Ok(Self { block, bytes })
    }

    /// The block's start.
    pub(crate) fn ptr(&self) -> *mut u8 {
        self.block.map_or(std::ptr::NonNull::<u64>::dangling().as_ptr().cast(), NonNull::as_ptr)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(block) = self.block {
            alloc::release(block, self.bytes);
        }
    }
}
