//! Operands as a kernel wants them: where they lie if it can read them there, else copied.
use retrograd_kernels::Strides;

use super::View;
use super::memory::copy_view;
use crate::error::Result;
use crate::layout::{is_contiguous, reshape_strides};
use crate::scratch::Scratch;

/// An operand read with fewer dimensions than it has.
pub(super) struct Packed {
    ptr: *mut u8,
    /// The steps along the dimensions it is read with.
    pub strides: Strides,
    _copy: Option<Scratch>,
}

impl Packed {
    /// The operand read as `shape`, which has as many elements.
    pub fn new(x: &View, shape: &[usize]) -> Result<Self> {
        match reshape_strides(x.shape(), x.strides, shape) {
            Some(strides) => Ok(Self { ptr: x.ptr, strides, _copy: None }),
            None => Self::copied(x, shape),
        }
    }

    /// The operand with its elements side by side.
    pub fn contiguous(x: &View) -> Result<Self> {
        if is_contiguous(x.shape(), x.strides) {
            return Ok(Self { ptr: x.ptr, strides: *x.strides, _copy: None });
        }
        Self::copied(x, x.shape())
    }

    fn copied(x: &View, shape: &[usize]) -> Result<Self> {
        let copy = Scratch::new(x.numel() * x.dtype().size())?;
        let own = x.shape().contiguous_strides();
        copy_view(x, &View { ptr: copy.ptr(), meta: x.meta, strides: &own });
        let strides = crate::layout::shape_of(shape)?.contiguous_strides();
        Ok(Self { ptr: copy.ptr(), strides, _copy: Some(copy) })
    }

    /// The first element.
    pub fn ptr<T>(&self) -> *mut T {
        self.ptr.cast()
    }
}
