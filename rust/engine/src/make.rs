//! Making tensors, and bringing operands together as users expect: promotion, scalars, sizes.
use retrograd_kernels::Shape;

use crate::apply::{apply1, execute};
use crate::dtype::DType;
use crate::error::{Error, Kind, Result};
use crate::host::Number;
use crate::layout::Meta;
use crate::ops::Op;
use crate::ops::cast::Cast;
use crate::ops::cat::Cat;
use crate::ops::memory::{CopyInto, Fill};
use crate::replay;
use crate::tensor::Tensor;

/// A tensor of one value.
pub fn full(meta: Meta, value: f64) -> Result<Tensor> {
    let tensor = Tensor::empty(meta.shape, meta.dtype)?;
    if tensor.numel() == 1 && !replay::recording() {
        // SAFETY: a fresh tensor of one element of that dtype.
        unsafe { crate::host::write(tensor.ptr(), meta.dtype, value) };
        return Ok(tensor);
    }
    execute(&Fill { value }.into(), &[&tensor], std::slice::from_ref(&tensor))?;
    Ok(tensor)
}

/// A tensor of zeros.
pub fn zeros(meta: Meta) -> Result<Tensor> {
    full(meta, 0.0)
}

/// Zeros that no recording sees being made: a replay finds them as they are.
pub fn unrecorded_zeros(meta: Meta) -> Result<Tensor> {
    let tensor = Tensor::empty(meta.shape, meta.dtype)?;
    // SAFETY: a fresh tensor, contiguous; in every dtype zero is all bits zero.
    unsafe { tensor.ptr().write_bytes(0, tensor.numel() * meta.dtype.size()) };
    Ok(tensor)
}

/// `source`, broadcast and cast, as a fresh tensor.
pub fn full_of(meta: Meta, source: &Tensor) -> Result<Tensor> {
    let tensor = Tensor::empty(meta.shape, meta.dtype)?;
    execute(&CopyInto {}.into(), &[&tensor, source], std::slice::from_ref(&tensor))?;
    Ok(tensor)
}

/// `x` as `dtype`: itself where it is that already.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype { Ok(x.clone()) } else { apply1(Cast { dtype }, &[x]) }
}

/// The dtype two operands are brought to.
pub fn common_dtype(a: &Tensor, b: &Tensor) -> DType {
    let (da, db) = (a.dtype(), b.dtype());
    // A tensor without dimensions gives way to one with, unless its kind of number is a higher one.
    match (a.rank(), b.rank()) {
        (0, 1..) if db.category() >= da.category() => db,
        (1.., 0) if da.category() >= db.category() => da,
        _ => da.promote(db),
    }
}

/// Applies an op of two operands after bringing them to one dtype.
pub fn binary(op: impl Into<Op>, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = common_dtype(a, b);
    apply1(op, &[&cast(a, dtype)?, &cast(b, dtype)?])
}

/// `0, step, 2 step, …` from `start`, `n` values: exact where both are integers; fails where one does not fit.
pub fn arange(start: Number, step: Number, n: usize, dtype: DType) -> Result<Tensor> {
    let at = |i: usize| match (start, step) {
        // Where the product wraps, the sum wraps back.
        (Number::Int(start), Number::Int(step)) => {
            Number::Int(start.wrapping_add(step.wrapping_mul(i as i64)))
        }
        _ => Number::Float(start.as_f64() + i as f64 * step.as_f64()),
    };
    if n > 0 {
        at(0).check_fits(dtype)?;
        at(n - 1).check_fits(dtype)?;
    }
    let tensor = Tensor::empty(crate::layout::shape_of(&[n])?, dtype)?;
    for i in 0..n {
        // SAFETY: position i lies within the n elements.
        unsafe { at(i).write(tensor.ptr().add(i * dtype.size()), dtype) };
    }
    replay::note_constant(&tensor)?;
    Ok(tensor)
}

/// The shape with one `-1` filled in so that it holds `numel` elements.
pub fn infer_shape(sizes: &[i64], numel: usize) -> Result<Shape> {
    use crate::error::bail;
    let known: Option<usize> = sizes
        .iter()
        .filter(|&&d| d != -1)
        .try_fold(1usize, |n, &d| usize::try_from(d).ok().and_then(|d| n.checked_mul(d)));
    let wrong = || format!("cannot reshape {numel} elements to {sizes:?}");
    let Some(known) = known else { bail!(Value, "{}", wrong()) };
    let open = sizes.iter().filter(|&&d| d == -1).count();
    let filled = match open {
        0 => 0,
        1 if known > 0 && numel.is_multiple_of(known) => numel / known,
        _ => bail!(Value, "{}: at most one size may be -1, and it must come out whole", wrong()),
    };
    let dims: Vec<usize> = sizes.iter().map(|&d| if d == -1 { filled } else { d as usize }).collect();
    let shape = crate::layout::shape_of(&dims)?;
    if shape.checked_numel() != Some(numel) {
        bail!(Value, "{}", wrong());
    }
    Ok(shape)
}

/// Tensors side by side along `dim`, after bringing them to one dtype.
pub fn cat(tensors: &[Tensor], dim: isize) -> Result<Tensor> {
    let Some(first) = tensors.first() else {
        return Err(Error::new(Kind::Value, "cat: needs at least one tensor"));
    };
    let dim = crate::layout::axis(dim, first.rank())?;
    let dtype = tensors.iter().fold(first.dtype(), |d, t| d.promote(t.dtype()));
    let tensors: Vec<Tensor> = tensors.iter().map(|t| cast(t, dtype)).collect::<Result<_>>()?;
    apply1(Cat { dim }, &tensors.iter().collect::<Vec<_>>())
}
