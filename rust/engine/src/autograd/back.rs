//! What a vector-Jacobian product works with: the gradients of the outputs, what was saved, and ops.
use std::sync::Arc;

use retrograd_kernels::Shape;
use smallvec::SmallVec;

use super::node::{Edge, Node};
use crate::apply::{apply, apply1};
use crate::error::Result;
use crate::layout::Meta;
use crate::make;
use crate::ops::attrs::DimSet;
use crate::ops::cast::Cast;
use crate::ops::pointwise::Add;
use crate::ops::reduce::Sum;
use crate::ops::shape::Reshape;
use crate::ops::{Op, Save};
use crate::replay;
use crate::tensor::Tensor;

/// The gradients of an op's operands, as its `vjp` builds them.
pub struct Back<'a> {
    node: &'a Arc<Node>,
    grads: &'a [Option<Tensor>],
    create_graph: bool,
    /// Whether what reaches a leaf is added to its `.grad`.
    into_leaves: bool,
    needed: u64,
    results: SmallVec<[Option<Tensor>; 2]>,
}

impl<'a> Back<'a> {
    pub(crate) fn new(
        node: &'a Arc<Node>,
        grads: &'a [Option<Tensor>],
        create_graph: bool,
        into_leaves: bool,
        needed: u64,
    ) -> Self {
        Self {
            node,
            grads,
            create_graph,
            into_leaves,
            needed,
            results: smallvec::smallvec![None; node.operands().len()],
        }
    }

    pub(crate) fn finish(self) -> SmallVec<[Option<Tensor>; 2]> {
        self.results
    }

    /// The gradient of the first output; zero where none arrived.
    pub fn g(&self) -> Result<Tensor> {
        match &self.grads[0] {
            Some(g) => Ok(g.clone()),
            None => make::zeros(self.node.outputs()[0]),
        }
    }

    /// The op whose gradient this is.
    pub fn kind(&self) -> &Op {
        self.node.op()
    }

    /// Operand `i` as it was.
    pub fn x(&self, i: usize) -> Result<Tensor> {
        self.node.unpack(Save::X(i), self.create_graph)
    }

    /// Output `i` as it was.
    pub fn y(&self, i: usize) -> Result<Tensor> {
        self.node.unpack(Save::Y(i), self.create_graph)
    }

    /// How many operands there are.
    #[expect(clippy::len_without_is_empty, reason = "an op without operands has no gradient")]
    pub fn len(&self) -> usize {
        self.results.len()
    }

    /// Shape and dtype of operand `i`.
    pub fn meta(&self, i: usize) -> Meta {
        *self.node.operand_meta(i)
    }

    /// Whether anybody wants the gradient of operand `i`.
    pub fn needs(&self, i: usize) -> bool {
        self.needed & (1 << i.min(63)) != 0
    }

    /// Whether the gradient itself is to be differentiated: then a fused backward, which has no
    /// derivative, must not be used.
    pub fn differentiable(&self) -> bool {
        self.create_graph
    }

    /// The `.grad` of the leaf that is operand `i`, where it has one that an op which reads `others` may add to in place.
    pub fn grad_of_leaf(&self, i: usize, others: &[&Tensor]) -> Option<Tensor> {
        let Edge::Leaf(leaf) = &self.node.operands()[i].edge else { return None };
        if self.create_graph || !self.into_leaves || leaf.leaf_hooks().is_some() {
            return None;
        }
        let grad = leaf.grad()?;
        let is_apart = others.iter().all(|other| other.storage().id() != grad.storage().id());
        if !is_apart || !grad.is_contiguous() || grad.meta() != leaf.meta() {
            return None;
        }
        replay::note_grad_write(leaf);
        Some(grad)
    }

    /// Applies an op that overwrites operands.
    pub fn run<const N: usize>(&self, op: impl Into<Op>, inputs: [&Tensor; N]) -> Result<()> {
        apply(op, &inputs).map(|_| ())
    }

    /// Applies an op of two outputs.
    pub fn op2<const N: usize>(&self, op: impl Into<Op>, inputs: [&Tensor; N]) -> Result<[Tensor; 2]> {
        let mut outputs = apply(op, &inputs)?;
        let second = outputs.swap_remove(1);
        Ok([outputs.swap_remove(0), second])
    }

    /// A number as a tensor without dimensions, of `like`'s dtype.
    pub fn constant(&self, value: f64, like: &Tensor) -> Result<Tensor> {
        make::full(Meta::new(Shape::new(), like.dtype()), value)
    }

    /// Applies an op.
    pub fn op<const N: usize>(&self, op: impl Into<Op>, inputs: [&Tensor; N]) -> Result<Tensor> {
        apply1(op, &inputs)
    }

    /// Adds to the gradient of operand `i`. A gradient of a broadcast operand is summed back to its shape.
    pub fn add(&mut self, i: usize, grad: Tensor) -> Result<()> {
        if !self.needs(i) {
            return Ok(());
        }
        let meta = self.meta(i);
        let mut grad = sum_to(&grad, &meta.shape)?;
        if grad.dtype() != meta.dtype {
            grad = apply1(Cast { dtype: meta.dtype }, &[&grad])?;
        }
        self.results[i] = Some(match self.results[i].take() {
            Some(sum) => apply1(Add {}, &[&sum, &grad])?,
            None => grad,
        });
        Ok(())
    }
}

/// Sums `grad` over the dimensions along which an operand of `shape` was repeated.
pub(crate) fn sum_to(grad: &Tensor, shape: &Shape) -> Result<Tensor> {
    if grad.shape() == shape {
        return Ok(grad.clone());
    }
    let lead = grad.rank() - shape.len();
    let mut dims = DimSet::default();
    for (i, &d) in grad.shape().iter().enumerate() {
        if i < lead || (shape[i - lead] == 1 && d != 1) {
            dims = dims.with(i);
        }
    }
    let summed = apply1(Sum { dims, keepdim: true }, &[grad])?;
    if summed.shape() == shape { Ok(summed) } else { apply1(Reshape { shape: *shape }, &[&summed]) }
}
