//! A storage: the bytes behind tensors, with the count of times they were overwritten.
use std::any::Any;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::alloc;
use crate::error::Result;

/// Bytes shared by tensors.
pub struct Storage {
    ptr: NonNull<u8>,
    bytes: usize,
    id: u64,
    version: AtomicU32,
    owner: Owner,
}

/// Who frees the bytes.
enum Owner {
    /// Nobody: there are none.
    Empty,
    /// Our allocator.
    Pool,
    /// Another storage whose bytes these are; it alone counts overwrites of its own.
    Alias(#[expect(dead_code, reason = "held for its drop")] Arc<Storage>),
    /// Another storage whose bytes these are, which counts their overwrites.
    Masked(Arc<Storage>),
    /// Dropping this value does, such as a NumPy array.
    Foreign(#[expect(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>),
}

// SAFETY: the bytes are reached through raw pointers only; who writes them while others read is
// ordered by the caller (the GIL, or one engine call at a time on a tensor), as in torch and NumPy.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Storage {
    /// Fresh bytes with arbitrary contents.
    pub fn new(bytes: usize) -> Result<Arc<Self>> {
        let (ptr, owner) = if bytes == 0 {
            (NonNull::<Aligned>::dangling().cast(), Owner::Empty)
        } else {
            (alloc::allocate(bytes)?, Owner::Pool)
        };
        Ok(Self::with(ptr, bytes, owner))
    }

    /// Bytes owned by something else, kept alive by `owner`.
    ///
    /// # Safety
    /// `ptr` must be valid for reads and writes of `bytes` bytes as long as `owner` lives.
    pub unsafe fn foreign(ptr: NonNull<u8>, bytes: usize, owner: Box<dyn Any + Send + Sync>) -> Arc<Self> {
        Self::with(ptr, bytes, Owner::Foreign(owner))
    }

    /// The same bytes under the same id, with a version of their own.
    pub fn alias(of: &Arc<Self>) -> Arc<Self> {
        Self::same_bytes(of, of.id, Owner::Alias(of.clone()))
    }

    /// The same bytes, with the same version, under an id of their own.
    pub(crate) fn masked(of: &Arc<Self>) -> Arc<Self> {
        Self::same_bytes(of, NEXT_ID.fetch_add(1, Relaxed), Owner::Masked(of.clone()))
    }

    fn same_bytes(of: &Self, id: u64, owner: Owner) -> Arc<Self> {
        Arc::new(Self { ptr: of.ptr, bytes: of.bytes, id, version: AtomicU32::new(0), owner })
    }

    /// Whether the bytes are nobody else's: neither another storage's nor, say, a NumPy array's.
    pub fn is_own(&self) -> bool {
        matches!(self.owner, Owner::Empty | Owner::Pool)
    }

    fn with(ptr: NonNull<u8>, bytes: usize, owner: Owner) -> Arc<Self> {
        let id = NEXT_ID.fetch_add(1, Relaxed);
        Arc::new(Self { ptr, bytes, id, version: AtomicU32::new(0), owner })
    }

    /// The first byte.
    pub fn ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A number no other storage of this process ever has, but for aliases of it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The addresses of the bytes.
    pub(crate) fn addresses(&self) -> Range<usize> {
        let first = self.ptr() as usize;
        first..first + self.bytes
    }

    /// How often the contents were overwritten.
    pub fn version(&self) -> u32 {
        self.counter().load(Relaxed)
    }

    /// Notes that the contents were overwritten.
    pub fn bump(&self) {
        self.counter().fetch_add(1, Relaxed);
    }

    #[inline]
    fn counter(&self) -> &AtomicU32 {
        match &self.owner {
            Owner::Masked(of) => of.counter(),
            _ => &self.version,
        }
    }
}

#[repr(align(64))]
struct Aligned;

impl Drop for Storage {
    fn drop(&mut self) {
        if matches!(self.owner, Owner::Pool) {
            alloc::release(self.ptr, self.bytes);
        }
    }
}
