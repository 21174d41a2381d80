//! Operators that look at their operand anew: they copy nothing where strides allow.
use retrograd_kernels::Shape;
use smallvec::smallvec;

use super::attrs::op;
use super::memory::copy_view;
use super::{Accepts, Info, Metas, Op, OpDef, View, info};
use crate::autograd::Back;
use crate::error::{Result, bail};
use crate::layout::{Layout, Meta, broadcast, broadcast_strides, checked_numel, reshape_strides};
use crate::make;
use crate::vmap::BatchArg;

op! {
    /// The same elements in row-major order under another shape; copies where strides do not allow a view.
    pub struct Reshape {
        /// The new shape.
        shape: Shape,
    }

    /// Dimension `i` of the result is dimension `dims[i]` of the operand.
    pub struct Permute {
        /// The old dimension of each new one.
        dims: Shape,
    }

    /// Every `step`-th of the elements from `start` along `dim`, `len` of them.
    pub struct Slice {
        /// Along which dimension.
        dim: usize,
        /// The first element.
        start: usize,
        /// The distance to the next.
        step: usize,
        /// How many.
        len: usize,
    }

    /// The operand broadcast to a larger shape: repeated elements share their memory.
    pub struct Expand {
        /// The new shape.
        shape: Shape,
    }

    /// `input` with `src` written over every `step`-th of the elements from `start` along `dim`.
    pub struct SliceScatter {
        /// Along which dimension.
        dim: usize,
        /// The first element overwritten.
        start: usize,
        /// The distance to the next.
        step: usize,
    }
}

/// Fails where a slice reaches outside of `shape`.
fn check_slice(shape: &Shape, dim: usize, start: usize, step: usize, len: usize) -> Result<()> {
    let Some(&extent) = shape.get(dim) else {
        bail!(Index, "dimension {dim} is out of range for a tensor of {} dimensions", shape.len());
    };
    if step == 0 {
        bail!(Value, "a slice's step must be at least 1");
    }
    let last = len.checked_sub(1).map(|n| n.checked_mul(step).and_then(|d| d.checked_add(start)));
    let inside = match last {
        None => start <= extent,
        Some(Some(last)) => last < extent,
        Some(None) => false,
    };
    if !inside {
        bail!(
            Index,
            "{len} elements from {start} by {step} reach outside of dimension {dim} of extent {extent}"
        );
    }
    Ok(())
}

fn sliced(x: &Layout, dim: usize, start: usize, step: usize, len: usize) -> Layout {
    let mut y = *x;
    if len > 0 {
        y.offset = (x.offset as isize + start as isize * x.strides[dim]) as usize;
    }
    y.shape[dim] = len;
    y.strides[dim] = x.strides[dim].saturating_mul(step as isize);
    y
}

/// For operators that are views at all times.
fn never_runs() -> Result<()> {
    bail!(Graph, "is a view and has no kernel")
}

impl OpDef for Reshape {
    const INFO: Info = info("reshape", &["input"]).accepts(&[Accepts::Any]).samples(&[
        "(3,4) shape=(2,6)",
        "(2,3,4) shape=(6,4)",
        "(4,3).T shape=(12,)",
        "(0,4) shape=(4,0)",
        "() shape=(1,1)",
        "(1,) shape=()",
        "(3,4)::2 shape=(4,3)",
        "(3,4)i5 shape=(12,)",
    ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        if self.shape.checked_numel() != Some(x[0].numel()) {
            bail!(
                Value,
                "{} elements of shape {} do not fill the shape {}",
                x[0].numel(),
                x[0].shape,
                self.shape
            );
        }
        Ok(smallvec![Meta::new(self.shape, x[0].dtype)])
    }
    fn view(&self, x: &Layout) -> Option<Layout> {
        let strides = reshape_strides(&x.shape, &x.strides, &self.shape)?;
        Some(Layout { shape: self.shape, strides, offset: x.offset })
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        // The result is fresh and contiguous, so it can be written under the operand's shape.
        let meta = *x[0].meta;
        let strides = meta.shape.contiguous_strides();
        copy_view(&x[0], &View { ptr: y[0].ptr, meta: &meta, strides: &strides });
        Ok(())
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let shape = b.meta(0).shape;
        b.add(0, b.op(Reshape { shape }, (b.g()?,))?)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        let mut shape = self.shape;
        if !shape.insert(0, x[0].size()) {
            bail!(Value, "the shape has too many dimensions to batch");
        }
        Ok(Reshape { shape }.into())
    }
}

impl OpDef for Permute {
    const INFO: Info = info("permute", &["input"]).accepts(&[Accepts::Any]).samples(&[
        "(3,4) dims=(1,0)",
        "(2,3,4) dims=(2,0,1)",
        "(4,3).T dims=(1,0)",
        "(0,4) dims=(1,0)",
        "() dims=()",
        "(3,4)i5 dims=(1,0)",
    ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let rank = x[0].shape.len();
        let mut shape = x[0].shape;
        let mut seen = [false; 8];
        if self.dims.len() != rank {
            bail!(Value, "{} dimensions are given for a tensor of {rank}", self.dims.len());
        }
        for (i, &d) in self.dims.iter().enumerate() {
            if d >= rank || std::mem::replace(&mut seen[d], true) {
                bail!(Value, "{} is not a permutation of {rank} dimensions", self.dims);
            }
            shape[i] = x[0].shape[d];
        }
        Ok(smallvec![Meta::new(shape, x[0].dtype)])
    }
    fn view(&self, x: &Layout) -> Option<Layout> {
        let mut y = *x;
        for (i, &d) in self.dims.iter().enumerate() {
            y.shape[i] = x.shape[d];
            y.strides[i] = x.strides[d];
        }
        Some(y)
    }
    fn run(&self, _x: &[View], _y: &[View]) -> Result<()> {
        never_runs()
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        b.add(0, b.op(self.inverse(), (b.g()?,))?)
    }
    fn batch(&self, _x: &mut [BatchArg]) -> Result<Op> {
        let mut dims = Shape::from_slice(&[0]).unwrap_or_default();
        for &d in self.dims.iter() {
            if !dims.push(d + 1) {
                bail!(Value, "a batched operand has too many dimensions");
            }
        }
        Ok(Permute { dims }.into())
    }
}

impl OpDef for Slice {
    const INFO: Info = info("slice", &["input"]).accepts(&[Accepts::Any]).samples(&[
        "(3,4) dim=1 start=1 step=1 len=2",
        "(3,4) dim=0 start=0 step=2 len=2",
        "(4,3).T dim=1 start=1 step=2 len=2",
        "(0,4) dim=1 start=0 step=1 len=3",
        "(3,4) dim=0 start=3 step=1 len=0",
        "(7,) dim=0 start=2 step=3 len=2",
        "(3,4)i5 dim=1 start=0 step=1 len=1",
    ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        check_slice(&x[0].shape, self.dim, self.start, self.step, self.len)?;
        let mut shape = x[0].shape;
        shape[self.dim] = self.len;
        Ok(smallvec![Meta::new(shape, x[0].dtype)])
    }
    fn view(&self, x: &Layout) -> Option<Layout> {
        Some(sliced(x, self.dim, self.start, self.step, self.len))
    }
    fn run(&self, _x: &[View], _y: &[View]) -> Result<()> {
        never_runs()
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let zeros = make::zeros(b.meta(0))?;
        let scatter = SliceScatter { dim: self.dim, start: self.start, step: self.step };
        b.add(0, b.op(scatter, [&zeros, &b.g()?])?)
    }
    fn batch(&self, _x: &mut [BatchArg]) -> Result<Op> {
        Ok(Slice { dim: self.dim + 1, ..*self }.into())
    }
}

impl OpDef for SliceScatter {
    const INFO: Info =
        info("slice_scatter", &["input", "src"]).accepts(&[Accepts::Same, Accepts::Same]).samples(&[
            "(3,4) (3,2) dim=1 start=1 step=1",
            "(3,4) (2,4) dim=0 start=0 step=2",
            "(4,3).T (3,2) dim=1 start=1 step=2",
            "(0,4) (0,3) dim=1 start=0 step=1",
            "(3,4) (0,4) dim=0 start=3 step=1",
            "(3,4)i5 (3,1)i5 dim=1 start=0 step=1",
        ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        let Some(&len) = x[1].shape.get(self.dim) else {
            bail!(Index, "dimension {} is out of range for a source of shape {}", self.dim, x[1].shape);
        };
        check_slice(&x[0].shape, self.dim, self.start, self.step, len)?;
        let mut expected = x[0].shape;
        expected[self.dim] = len;
        if x[1].shape != expected {
            bail!(Value, "a source of shape {} does not fit a slice of shape {expected}", x[1].shape);
        }
        Ok(smallvec![*x[0]])
    }
    fn run(&self, x: &[View], y: &[View]) -> Result<()> {
        copy_view(&x[0], &y[0]);
        if x[1].numel() == 0 {
            return Ok(());
        }
        let whole = Layout { shape: *y[0].shape(), strides: *y[0].strides, offset: 0 };
        let part = sliced(&whole, self.dim, self.start, self.step, x[1].shape()[self.dim]);
        // SAFETY: `infer` has found the slice inside of the output.
        let ptr = unsafe { y[0].ptr.add(part.offset * y[0].dtype().size()) };
        copy_view(&x[1], &View { ptr, meta: x[1].meta, strides: &part.strides });
        Ok(())
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        let g = b.g()?;
        let src = b.meta(1);
        if b.needs(0) {
            let zeros = make::zeros(src)?;
            b.add(0, b.op(*self, [&g, &zeros])?)?;
        }
        if b.needs(1) {
            let slice = Slice { dim: self.dim, start: self.start, step: self.step, len: src.shape[self.dim] };
            b.add(1, b.op(slice, [&g])?)?;
        }
        Ok(())
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        x.iter_mut().try_for_each(BatchArg::expand)?;
        Ok(SliceScatter { dim: self.dim + 1, ..*self }.into())
    }
}

impl OpDef for Expand {
    const INFO: Info = info("expand", &["input"]).accepts(&[Accepts::Any]).samples(&[
        "(3,1) shape=(3,4)",
        "() shape=(2,3)",
        "(4,) shape=(3,4)",
        "(1,4) shape=(0,4)",
        "(3,4) shape=(3,4)",
        "(1,3).T shape=(3,5)",
        "(1,)i5 shape=(4,)",
    ]);

    fn infer(&self, x: &[&Meta]) -> Result<Metas> {
        if broadcast(&[&x[0].shape, &self.shape]).ok() != Some(self.shape) {
            bail!(Value, "a tensor of shape {} does not expand to shape {}", x[0].shape, self.shape);
        }
        checked_numel(&self.shape, x[0].dtype)?;
        Ok(smallvec![Meta::new(self.shape, x[0].dtype)])
    }
    fn view(&self, x: &Layout) -> Option<Layout> {
        let strides = broadcast_strides(&x.shape, &x.strides, &self.shape);
        Some(Layout { shape: self.shape, strides, offset: x.offset })
    }
    fn run(&self, _x: &[View], _y: &[View]) -> Result<()> {
        never_runs()
    }
    fn vjp(&self, b: &mut Back) -> Result<()> {
        b.add(0, b.g()?)
    }
    fn batch(&self, x: &mut [BatchArg]) -> Result<Op> {
        x[0].pad_to_rank(self.shape.len())?;
        let mut shape = self.shape;
        if !shape.insert(0, x[0].size()) {
            bail!(Value, "the shape has too many dimensions to batch");
        }
        Ok(Expand { shape }.into())
    }
}
