//! vmap: a function written for one example runs on a batch, its ops each once with one more dimension.
use retrograd_kernels::{Dims, Shape};

use crate::apply::{Outputs, apply, apply1};
use crate::error::{Result, bail};
use crate::layout::Layout;
use crate::mode;
use crate::ops::Op;
use crate::ops::shape::{Expand, Permute, Reshape};
use crate::tensor::Tensor;

/// What stands behind a tensor that is one example to the function under vmap.
#[derive(Clone)]
pub(crate) struct Batched {
    /// All examples; the batch is dimension 0.
    pub(crate) physical: Tensor,
    level: u32,
}

/// One nesting of vmap; ends when dropped.
pub struct VmapLevel(u32);

impl VmapLevel {
    /// Whether this thread is in one.
    pub fn active() -> bool {
        mode::mode().vmap > 0
    }

    /// Enters a vmap.
    pub fn enter() -> Self {
        mode::change(|m| m.vmap += 1);
        Self(mode::mode().vmap)
    }

    /// `tensor` as one example of the batch along `dim`.
    pub fn wrap(&self, tensor: &Tensor, dim: usize) -> Result<Tensor> {
        Ok(wrap(move_to_front(tensor, dim)?, self.0))
    }

    /// All examples of a result, the batch at `dim`; a result that is the same for all is repeated.
    pub fn unwrap(&self, tensor: &Tensor, size: usize, dim: usize) -> Result<Tensor> {
        let physical = match tensor.batched() {
            Some(b) if b.level == self.0 => b.physical.clone(),
            _ => {
                let mut shape = *tensor.shape();
                if !shape.insert(0, size) {
                    bail!(Value, "vmap: the result has too many dimensions to batch");
                }
                apply1(Expand { shape }, &[tensor])?
            }
        };
        let rank = physical.rank();
        if dim >= rank {
            bail!(Index, "vmap: out_dims {dim} is out of range for a result of {rank} dimensions");
        }
        let mut dims: Dims<usize> = Dims::new();
        for i in 0..rank {
            let _ = dims.push(match i {
                i if i == dim => 0,
                i if i < dim => i + 1,
                i => i,
            });
        }
        apply1(Permute { dims }, &[&physical])
    }
}

impl Drop for VmapLevel {
    fn drop(&mut self) {
        mode::change(|m| m.vmap = self.0 - 1);
    }
}

fn wrap(physical: Tensor, level: u32) -> Tensor {
    let mut layout: Layout = physical.layout();
    layout.shape.remove(0);
    layout.strides.remove(0);
    let (storage, dtype) = (physical.storage().clone(), physical.dtype());
    Tensor::build(storage, dtype, layout, Some(Box::new(Batched { physical, level })))
}

fn move_to_front(tensor: &Tensor, dim: usize) -> Result<Tensor> {
    if dim == 0 {
        return Ok(tensor.clone());
    }
    let mut dims: Dims<usize> = Dims::new();
    let _ = dims.push(dim);
    for i in (0..tensor.rank()).filter(|&i| i != dim) {
        let _ = dims.push(i);
    }
    apply1(Permute { dims }, &[tensor])
}

/// An operand as a batching rule sees it.
pub struct BatchArg {
    /// The operand: with the batch as dimension 0, or, where the same for all examples, without.
    pub tensor: Tensor,
    /// Whether it has the batch dimension.
    pub batched: bool,
    size: usize,
}

impl BatchArg {
    /// The shape for one example.
    pub fn example_shape(&self) -> Shape {
        let mut shape = *self.tensor.shape();
        if self.batched {
            shape.remove(0);
        }
        shape
    }

    /// Gives the operand a batch dimension where it has none.
    pub fn expand(&mut self) -> Result<()> {
        if !self.batched {
            let mut shape = *self.tensor.shape();
            if !shape.insert(0, self.size) {
                bail!(Value, "a batched operand has too many dimensions");
            }
            self.tensor = apply1(Expand { shape }, &[&self.tensor])?;
            self.batched = true;
        }
        Ok(())
    }

    /// Gives the example `rank` dimensions by adding some of extent one in front, so that it broadcasts.
    pub fn pad_to_rank(&mut self, rank: usize) -> Result<()> {
        let example = self.example_shape();
        if !self.batched || example.len() == rank {
            return Ok(());
        }
        let mut shape = *self.tensor.shape();
        for _ in example.len()..rank {
            if !shape.insert(1, 1) {
                bail!(Value, "a batched operand has too many dimensions");
            }
        }
        self.tensor = apply1(Reshape { shape }, &[&self.tensor])?;
        Ok(())
    }

    /// How many examples there are.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// Applies an op to operands of which some are batched, at the innermost level among them.
pub(crate) fn apply_batched(op: Op, inputs: &[&Tensor]) -> Result<Outputs> {
    let batched = || inputs.iter().filter_map(|x| x.batched());
    let level = batched().map(|b| b.level).max().unwrap_or(0);
    let size = batched().find(|b| b.level == level).map_or(0, |b| b.physical.shape()[0]);
    // Checked on one example first, so that messages speak of the shapes the user wrote.
    let metas: Vec<_> = inputs.iter().map(|x| x.meta()).collect();
    op.infer(&metas)?;
    let mut args: Vec<BatchArg> = inputs
        .iter()
        .map(|x| match x.batched() {
            Some(b) if b.level == level => BatchArg { tensor: b.physical.clone(), batched: true, size },
            _ => BatchArg { tensor: (*x).clone(), batched: false, size },
        })
        .collect();
    let op = if op.info().elementwise {
        let rank = args.iter().map(|a| a.example_shape().len()).max().unwrap_or(0);
        for arg in &mut args {
            arg.pad_to_rank(rank)?;
        }
        op
    } else {
        op.batch(&mut args)?
    };
    let tensors: Vec<&Tensor> = args.iter().map(|a| &a.tensor).collect();
    let outputs = apply(op, &tensors)?;
    Ok(outputs.into_iter().map(|y| wrap(y, level)).collect())
}
