//! Shapes and strides: short lists held inline, so that they are `Copy` and cost no allocation.
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The largest number of dimensions a tensor may have.
pub const MAX_RANK: usize = 8;

/// Up to [`MAX_RANK`] values, one a dimension.
#[derive(Clone, Copy)]
pub struct Dims<T> {
    len: u8,
    values: [T; MAX_RANK],
}

/// The extent of each dimension.
pub type Shape = Dims<usize>;
/// The distance between neighbours along each dimension, in elements.
pub type Strides = Dims<isize>;

impl<T: Copy + Default> Dims<T> {
    /// No dimensions: a scalar.
    pub fn new() -> Self {
        Self { len: 0, values: [T::default(); MAX_RANK] }
    }

    /// The values of `slice`, or `None` where it is longer than [`MAX_RANK`].
    pub fn from_slice(slice: &[T]) -> Option<Self> {
        let mut dims = Self::new();
        dims.values.get_mut(..slice.len())?.copy_from_slice(slice);
        dims.len = slice.len() as u8;
        Some(dims)
    }

    /// `len` times the same value. Panics where `len` exceeds [`MAX_RANK`].
    pub fn filled(value: T, len: usize) -> Self {
        assert!(len <= MAX_RANK, "rank {len} exceeds {MAX_RANK}");
        Self { len: len as u8, values: [value; MAX_RANK] }
    }

    /// Appends a value; `false` where the list is full.
    #[must_use]
    pub fn push(&mut self, value: T) -> bool {
        let room = (self.len as usize) < MAX_RANK;
        if room {
            self.values[self.len as usize] = value;
            self.len += 1;
        }
        room
    }

    /// Removes and returns the value at `index`.
    pub fn remove(&mut self, index: usize) -> T {
        let value = self[index];
        let len = self.len as usize;
        self.values.copy_within(index + 1..len, index);
        self.len -= 1;
        value
    }

    /// Inserts `value` before `index`; `false` where the list is full.
    #[must_use]
    pub fn insert(&mut self, index: usize, value: T) -> bool {
        let len = self.len as usize;
        if len == MAX_RANK || index > len {
            return false;
        }
        self.values.copy_within(index..len, index + 1);
        self.values[index] = value;
        self.len += 1;
        true
    }
}

impl Shape {
    /// The number of elements, or `None` where it overflows.
    pub fn checked_numel(&self) -> Option<usize> {
        // A zero anywhere makes the product zero even where the other extents overflow.
        if self.contains(&0) {
            return Some(0);
        }
        self.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// The number of elements of a shape known not to overflow.
    pub fn numel(&self) -> usize {
        self.iter().product()
    }

    /// Row-major strides.
    pub fn contiguous_strides(&self) -> Strides {
        let mut strides = Strides::filled(0, self.len());
        let mut step = 1isize;
        for i in (0..self.len()).rev() {
            strides[i] = step;
            step = step.saturating_mul(self[i].max(1) as isize);
        }
        strides
    }
}

impl<T: Copy + Default> Default for Dims<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Dims<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        &self.values[..self.len as usize]
    }
}

impl<T> DerefMut for Dims<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[..self.len as usize]
    }
}

impl<T: PartialEq> PartialEq for Dims<T> {
    fn eq(&self, other: &Self) -> bool {
        // A loop over a few values beats a call of memcmp.
        self.len == other.len && (0..self.len as usize).all(|i| self.values[i] == other.values[i])
    }
}

impl<T: Eq> Eq for Dims<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Dims<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Dims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// `(3, 4)`, `(3,)` or `()`, as Python prints a tuple.
impl<T: fmt::Display> fmt::Display for Dims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, value) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{value}")?;
        }
        f.write_str(if self.len() == 1 { ",)" } else { ")" })
    }
}
