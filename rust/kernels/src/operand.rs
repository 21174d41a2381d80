//! What a kernel is told of a tensor: where it begins and how far its neighbours are apart.

/// A tensor that is read. A stride counts elements; zero repeats an element along its dimension.
#[derive(Debug)]
pub struct In<'a, T> {
    /// The element with all coordinates zero.
    pub ptr: *const T,
    /// One a dimension.
    pub strides: &'a [isize],
}

/// A tensor that is written: no two of its elements may lie at the same place.
#[derive(Debug)]
pub struct Out<'a, T> {
    /// The element with all coordinates zero.
    pub ptr: *mut T,
    /// One a dimension.
    pub strides: &'a [isize],
}

// By hand, because pointers may be copied whatever they lead to.
impl<T> Clone for In<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for In<'_, T> {}
impl<T> Clone for Out<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Out<'_, T> {}

/// A pointer that tasks on other threads may use; that they do not step on each other is for the kernel to see to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<P>(pub P);

// SAFETY: sending or sharing the address is harmless; each use of it is an unsafe block of its own.
unsafe impl<P> Send for Shared<P> {}
// SAFETY: as above.
unsafe impl<P> Sync for Shared<P> {}

impl<P: Copy> Shared<P> {
    /// The pointer. A method, so that closures capture the whole wrapper and not the bare field.
    #[inline(always)]
    pub fn get(&self) -> P {
        self.0
    }
}
