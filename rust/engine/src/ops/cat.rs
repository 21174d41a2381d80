//! Joining tensors.
use smallvec::smallvec;

use super::attrs::op;
use super::memory::copy_view;
use super::shape::Slice;
use super::{Accepts, Info, Metas, Op, OpDef, View, info};
use crate::autograd::Back;
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::vmap::BatchArg;

op! {
    /// Any number of tensors side by side along `dim`.
    pub struct Cat {
        /// Along which dimension; elsewhere the tensors have the same extents.
        dim: usize,
    }
}

impl OpDef for Cat {
    const INFO: Info = info("cat", &["tensors"]).accepts(&[Accepts::Same]).variadic().samples(&[
        "(3,4) (3,2) dim=1",
        "(3,4) dim=0",
        "(1,4) (2,4) (3,4) dim=0",
        "(0,4) (2,4) dim=0",
        "(4,3).T (3,2)::2 dim=1",
        "(3,4)i5 (3,4)i5 dim=0",
    ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let Some(first) = x.first() else { bail!(Value, "needs at least one tensor") };
        let mut shape = first.shape;
        if self.dim >= shape.len() {
            bail!(Index, "dimension {} is out of range for tensors of {} dimensions", self.dim, shape.len());
        }
        for other in &x[1..] {
            let fits = other.shape.len() == shape.len()
                && (0..shape.len()).all(|d| d == self.dim || other.shape[d] == shape[d]);
            if !fits {
                bail!(
                    Value,
                    "shapes {} and {} differ outside of dimension {}",
                    first.shape,
                    other.shape,
                    self.dim
                );
            }
            shape[self.dim] = shape[self.dim].saturating_add(other.shape[self.dim]);
        }
        crate::layout::checked_numel(&shape, first.dtype)?;
        Ok(smallvec![Meta::new(shape, first.dtype)])
    }

    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        let (y, size) = (&y[0], y[0].dtype().size());
        let mut start = 0;
        for x in x {
            let offset = start * y.strides[self.dim] as usize * size;
            // SAFETY: the part begins within the output, or is empty and never written.
            let ptr = unsafe { y.ptr.add(if x.numel() == 0 { 0 } else { offset }) };
            copy_view(x, &View { ptr, meta: x.meta, strides: y.strides });
            start += x.shape()[self.dim];
        }
        Ok(())
    }

    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = b.g()?;
        let mut start = 0;
        for i in 0..b.len() {
            let len = b.meta(i).shape[self.dim];
            if b.needs(i) {
                b.add(i, b.op(Slice { dim: self.dim, start, step: 1, len }, [&g])?)?;
            }
            start += len;
        }
        Ok(())
    }

    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        x.iter_mut().try_for_each(BatchArg::expand)?;
        Ok(Cat { dim: self.dim + 1 }.into())
    }
}
