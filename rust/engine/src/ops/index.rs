//! Picking elements by index, and adding them back.
use half::{bf16, f16};
use retrograd_kernels::index::{self, BadIndex};
use smallvec::smallvec;

use super::attrs::op;
use super::memory::copy_view;
use super::{Accepts, Info, Metas, Op, OpDef, Save, View, info};
use crate::autograd::Back;
use crate::dtype::{DType, with_width};
use crate::error::{Error, Kind, Result, bail};
use crate::layout::Meta;
use crate::make;
use crate::vmap::BatchArg;

op! {
    /// Picks from `input` along `dim` the elements `index` names; the result has `index`'s shape.
    pub struct Gather {
        /// Along which dimension.
        dim: usize,
    }

    /// `input` with each element of `src` added at the place along `dim` that `index` names.
    pub struct ScatterAdd {
        /// Along which dimension.
        dim: usize,
    }

    /// The slices of `input` along `dim` that the list `index` names.
    pub struct IndexSelect {
        /// Along which dimension.
        dim: usize,
    }

    /// `input` with each slice of `src` along `dim` added to the slice that the list `index` names.
    pub struct IndexAdd {
        /// Along which dimension.
        dim: usize,
    }
}

fn out_of_range(bad: BadIndex, dim: usize, extent: usize) -> Error {
    Error::new(
        Kind::Index,
        format!(
            "index {} is out of range for dimension {dim} of extent {extent} (use 0 to {})",
            bad.value,
            extent as isize - 1
        ),
    )
}

/// Runs `$body` with `$T` bound to the element type, for kernels that add.
macro_rules! with_number {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::BF16 => {
                type $T = bf16;
                $body
            }
            DType::F16 => {
                type $T = f16;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            DType::I32 => {
                type $T = i32;
                $body
            }
            DType::U8 | DType::Bool => {
                type $T = u8;
                $body
            }
        }
    };
}

/// `index` must have as many dimensions as `input`, none longer but along `dim`.
fn check_elementwise(input: &Meta, index: &Meta, dim: usize) -> Result<()> {
    if input.shape.len() != index.shape.len() {
        bail!(
            Value,
            "'index' of shape {} must have as many dimensions as 'input' of shape {}",
            index.shape,
            input.shape
        );
    }
    if dim >= input.shape.len() {
        bail!(Index, "dimension {dim} is out of range for a tensor of {} dimensions", input.shape.len());
    }
    for d in (0..input.shape.len()).filter(|&d| d != dim) {
        if index.shape[d] > input.shape[d] {
            bail!(
                Value,
                "'index' of shape {} is longer than 'input' of shape {} along dimension {d}",
                index.shape,
                input.shape
            );
        }
    }
    Ok(())
}

/// `index` must be a list, `dim` a dimension of `input`.
fn check_list(input: &Meta, index: &Meta, dim: usize) -> Result<()> {
    if index.shape.len() != 1 {
        bail!(Value, "'index' must have one dimension, not shape {}", index.shape);
    }
    if dim >= input.shape.len() {
        bail!(Index, "dimension {dim} is out of range for a tensor of {} dimensions", input.shape.len());
    }
    Ok(())
}

impl OpDef for Gather {
    const INFO: Info = info("gather", &["input", "index"])
        .accepts(&[Accepts::Any, Accepts::Index])
        .saves(&[(0, Save::X(1))])
        .samples(&[
            "(3,4) (3,2)i4 dim=1",
            "(3,4) (2,4)i3 dim=0",
            "(0,4) (0,2)i4 dim=1",
            "(4,3).T (2,4)i3 dim=0",
            "(3,4) (2,2)i4 dim=1",
            "(1,) (3,)i1 dim=0",
            "(3,4)i9 (3,2)i4 dim=1",
            "(3,4)::2 (3,4).Ti3 dim=0",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check_elementwise(x[0], x[1], self.dim)?;
        Ok(smallvec![Meta::new(x[1].shape, x[0].dtype)])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let extent = x[0].shape()[self.dim];
        with_width!(y[0].dtype(), T => {
            // SAFETY: `infer` has checked the shapes; the kernel checks each index.
            unsafe { index::gather::<T>(y[0].shape(), self.dim, extent, x[0].read(), x[1].read(), y[0].write()) }
        })
        .map_err(|bad| out_of_range(bad, self.dim, extent))
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let zeros = make::zeros(b.meta(0))?;
        b.add(0, b.op(ScatterAdd { dim: self.dim }, [&zeros, &b.x(1)?, &b.g()?])?)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        x.iter_mut().try_for_each(BatchArg::expand)?;
        Ok(Gather { dim: self.dim + 1 }.into())
    }
}

impl OpDef for ScatterAdd {
    const INFO: Info = info("scatter_add", &["input", "index", "src"])
        .accepts(&[Accepts::Number, Accepts::Index, Accepts::Number])
        .saves(&[(2, Save::X(1))])
        .samples(&[
            "(3,4) (3,2)i4 (3,2) dim=1",
            "(3,4) (5,4)i3 (5,4) dim=0",
            "(0,4) (0,2)i4 (0,2) dim=1",
            "(4,3).T (2,4)i3 (2,4) dim=0",
            "(3,4) (2,2)i4 (3,5) dim=1",
            "(1,) (3,)i1 (3,) dim=0",
            "(3,4)i9 (3,2)i4 (3,2)i9 dim=1",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check_elementwise(x[0], x[1], self.dim)?;
        let covered = x[1].shape.len() == x[2].shape.len()
            && x[1].shape.iter().zip(x[2].shape.iter()).all(|(index, src)| index <= src);
        if !covered {
            bail!(Value, "'index' of shape {} reaches outside of 'src' of shape {}", x[1].shape, x[2].shape);
        }
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        copy_view(&x[0], &y[0]);
        let extent = y[0].shape()[self.dim];
        with_number!(y[0].dtype(), T => {
            // SAFETY: `infer` has checked the shapes; the kernel checks each index.
            unsafe { index::scatter_add::<T>(x[1].shape(), self.dim, extent, x[1].read(), x[2].read(), y[0].write()) }
        })
        .map_err(|bad| out_of_range(bad, self.dim, extent))
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = b.g()?;
        b.add(0, g.clone())?;
        if !b.needs(2) {
            return Ok(());
        }
        let index = b.x(1)?;
        let mut picked = b.op(Gather { dim: self.dim }, [&g, &index])?;
        let src = b.meta(2);
        if *picked.shape() != src.shape {
            // Elements of `src` beyond the index went nowhere.
            for dim in 0..src.shape.len() {
                let mut shape = *picked.shape();
                shape[dim] = src.shape[dim];
                let zeros = make::zeros(Meta::new(shape, src.dtype))?;
                picked = b.op(super::shape::SliceScatter { dim, start: 0, step: 1 }, [&zeros, &picked])?;
            }
        }
        b.add(2, picked)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        x.iter_mut().try_for_each(BatchArg::expand)?;
        Ok(ScatterAdd { dim: self.dim + 1 }.into())
    }
}

impl OpDef for IndexSelect {
    const INFO: Info = info("index_select", &["input", "index"])
        .accepts(&[Accepts::Any, Accepts::Index])
        .saves(&[(0, Save::X(1))])
        .samples(&[
            "(3,4) (5,)i3 dim=0",
            "(3,4) (2,)i4 dim=1",
            "(0,4) (2,)i4 dim=1",
            "(4,3).T (2,)i3 dim=0",
            "(3,4) (0,)i3 dim=0",
            "(2,3,5) (4,)i3 dim=1",
            "(3,4)i9 (2,)i4 dim=1",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check_list(x[0], x[1], self.dim)?;
        let mut shape = x[0].shape;
        shape[self.dim] = x[1].shape[0];
        crate::layout::checked_numel(&shape, x[0].dtype)?;
        Ok(smallvec![Meta::new(shape, x[0].dtype)])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let extent = x[0].shape()[self.dim];
        let list = (x[1].ptr.cast_const().cast(), x[1].strides[0]);
        with_width!(y[0].dtype(), T => {
            // SAFETY: `infer` has checked the shapes; the kernel checks each index.
            unsafe { index::index_select::<T>(y[0].shape(), self.dim, extent, x[0].read(), list, y[0].write()) }
        })
        .map_err(|bad| out_of_range(bad, self.dim, extent))
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let zeros = make::zeros(b.meta(0))?;
        b.add(0, b.op(IndexAdd { dim: self.dim }, [&zeros, &b.x(1)?, &b.g()?])?)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        if x[1].batched {
            bail!(Unsupported, "with a batched index is not supported under vmap; use gather");
        }
        Ok(IndexSelect { dim: self.dim + 1 }.into())
    }
}

impl OpDef for IndexAdd {
    const INFO: Info = info("index_add", &["input", "index", "src"])
        .accepts(&[Accepts::Number, Accepts::Index, Accepts::Number])
        .saves(&[(2, Save::X(1))])
        .samples(&[
            "(3,4) (5,)i3 (5,4) dim=0",
            "(3,4) (2,)i4 (3,2) dim=1",
            "(0,4) (2,)i4 (0,2) dim=1",
            "(4,3).T (2,)i3 (2,4) dim=0",
            "(3,4) (0,)i3 (0,4) dim=0",
            "(3,4)i9 (2,)i4 (3,2)i9 dim=1",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check_list(x[0], x[1], self.dim)?;
        let mut expected = x[0].shape;
        expected[self.dim] = x[1].shape[0];
        if x[2].shape != expected {
            bail!(Value, "'src' of shape {} must have shape {expected}", x[2].shape);
        }
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        copy_view(&x[0], &y[0]);
        let extent = y[0].shape()[self.dim];
        let list = (x[1].ptr.cast_const().cast(), x[1].strides[0]);
        with_number!(y[0].dtype(), T => {
            // SAFETY: `infer` has checked the shapes; the kernel checks each index.
            unsafe { index::index_add::<T>(x[2].shape(), self.dim, extent, list, x[2].read(), y[0].write()) }
        })
        .map_err(|bad| out_of_range(bad, self.dim, extent))
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = b.g()?;
        b.add(0, g.clone())?;
        if b.needs(2) {
            b.add(2, b.op(IndexSelect { dim: self.dim }, [&g, &b.x(1)?])?)?;
        }
        Ok(())
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        if x[1].batched {
            bail!(Unsupported, "with a batched index is not supported under vmap; use scatter_add");
        }
        x[0].expand()?;
        x[2].expand()?;
        Ok(IndexAdd { dim: self.dim + 1 }.into())
    }
}
