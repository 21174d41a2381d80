//! Operands as a kernel wants them: where they lie if it can read them there, else copied.
use retrograd_kernels::Strides;
use retrograd_kernels::simd::LINE;

use super::View;
use super::attrs::DimSet;
use super::memory::copy_view;
use crate::error::Result;
use crate::layout::{is_contiguous, reshape_strides};
use crate::scratch::Scratch;

/// Whether neighbours at that step lie in different cache lines.
fn is_far(step: isize, x: &View) -> bool {
    step.unsigned_abs() * x.dtype().size() >= LINE
}

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

    /// The operand read as `shape`, a kernel going through rows along dimension 1. Where rows lie abreast, each line would be
    /// read for one element of a row: then a copy is faster.
    pub fn in_rows(x: &View, shape: &[usize]) -> Result<Self> {
        let packed = Self::new(x, shape)?;
        let abreast = shape[1] > 1 && is_far(packed.strides[1], x) && shape[0] > 1 && packed.strides[0] == 1;
        if abreast { Self::copied(x, shape) } else { Ok(packed) }
    }

    /// The operand itself or, where a kernel that goes through all of `dims` in their order would read each line for one element, a
    /// copy.
    pub fn in_order(x: &View, dims: DimSet) -> Result<Self> {
        let (shape, strides) = (x.shape(), x.strides);
        let mut order = (0..shape.len()).rev().filter(|&d| dims.contains(d) && shape[d] > 1);
        let turned = order.next().is_some_and(|d| is_far(strides[d], x)) && order.any(|d| strides[d] == 1);
        if turned { Self::copied(x, shape) } else { Ok(Self { ptr: x.ptr, strides: *strides, _copy: None }) }
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
