//! Single elements as host numbers.
use half::{bf16, f16};

use crate::dtype::{Category, DType};
use crate::error::{Result, bail};
use crate::replay;
use crate::tensor::Tensor;

/// A number on the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real number.
    Float(f64),
}

impl Number {
    /// The kind of number.
    pub fn category(self) -> Category {
        match self {
            Number::Bool(_) => Category::Bool,
            Number::Int(_) => Category::Int,
            Number::Float(_) => Category::Float,
        }
    }

    /// As a real number.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Bool(x) => f64::from(u8::from(x)),
            Number::Int(x) => x as f64,
            Number::Float(x) => x,
        }
    }

    /// Whether it is no integer beyond those of an integer `dtype`.
    pub fn fits(self, dtype: DType) -> bool {
        match (self, dtype) {
            (Number::Int(x), DType::U8) => u8::try_from(x).is_ok(),
            (Number::Int(x), DType::I32) => i32::try_from(x).is_ok(),
            _ => true,
        }
    }

    /// Fails where it does not fit.
    pub(crate) fn check_fits(self, dtype: DType) -> Result<()> {
        match self {
            Number::Int(x) if !self.fits(dtype) => {
                bail!(Overflow, "{x} does not fit into {dtype}; cast the tensor with .to()")
            }
            _ => Ok(()),
        }
    }

    /// As a tensor without dimensions; fails where it does not fit.
    pub fn to_tensor(self, dtype: DType) -> Result<Tensor> {
        self.check_fits(dtype)?;
        let tensor = Tensor::empty(Default::default(), dtype)?;
        // SAFETY: a fresh tensor of one element of that dtype.
        unsafe { self.write(tensor.ptr(), dtype) };
        replay::note_constant(&tensor)?;
        Ok(tensor)
    }

    /// Writes it as one element: integers that fit are exact.
    ///
    /// # Safety
    /// As for [`write()`].
    pub(crate) unsafe fn write(self, ptr: *mut u8, dtype: DType) {
        // SAFETY: the caller's promise.
        unsafe {
            match (self, dtype) {
                (Number::Int(x), DType::I64) => *ptr.cast::<i64>() = x,
                (x, _) => write(ptr, dtype, x.as_f64()),
            }
        }
    }
}

/// Writes one element.
///
/// # Safety
/// `ptr` must be valid for a write of an element of `dtype`.
pub(crate) unsafe fn write(ptr: *mut u8, dtype: DType, value: f64) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            DType::F32 => *ptr.cast::<f32>() = value as f32,
            DType::F64 => *ptr.cast::<f64>() = value,
            DType::BF16 => *ptr.cast::<bf16>() = bf16::from_f64(value),
            DType::F16 => *ptr.cast::<f16>() = f16::from_f64(value),
            DType::I64 => *ptr.cast::<i64>() = value as i64,
            DType::I32 => *ptr.cast::<i32>() = value as i32,
            DType::U8 => *ptr = value as u8,
            DType::Bool => *ptr = u8::from(value != 0.0),
        }
    }
}

/// Reads one element.
///
/// # Safety
/// `ptr` must be valid for a read of an element of `dtype`.
pub unsafe fn read(ptr: *const u8, dtype: DType) -> Number {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            DType::F32 => Number::Float(f64::from(*ptr.cast::<f32>())),
            DType::F64 => Number::Float(*ptr.cast::<f64>()),
            DType::BF16 => Number::Float((*ptr.cast::<bf16>()).to_f64()),
            DType::F16 => Number::Float((*ptr.cast::<f16>()).to_f64()),
            DType::I64 => Number::Int(*ptr.cast::<i64>()),
            DType::I32 => Number::Int(i64::from(*ptr.cast::<i32>())),
            DType::U8 => Number::Int(i64::from(*ptr)),
            DType::Bool => Number::Bool(*ptr != 0),
        }
    }
}

/// Fails where the tensor's contents may not be looked at from the host: inside a recording or a vmap.
pub fn check_readable(tensor: &Tensor) -> Result<()> {
    if tensor.batched().is_some() {
        bail!(Graph, "a batched tensor has no single value under vmap; return it from the function instead");
    }
    replay::check_host_read(tensor)
}

/// The value of a tensor of one element.
pub fn item(tensor: &Tensor) -> Result<Number> {
    check_readable(tensor)?;
    if tensor.numel() != 1 {
        bail!(Value, "item: only a tensor of one element has a value, not one of shape {}", tensor.shape());
    }
    // SAFETY: the tensor has one element.
    Ok(unsafe { read(tensor.ptr(), tensor.dtype()) })
}
