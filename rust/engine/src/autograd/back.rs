//! What a vector-Jacobian product works with: the gradients of the outputs, what was saved, and ops.
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::sync::Arc;

use retrograd_kernels::Shape;
use smallvec::SmallVec;

use super::backward::Walking;
use super::node::{Edge, Node, SavedTensors};
use super::turn::Turn;
use crate::apply::{Operand, apply, apply_reusing, apply1};
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::make;
use crate::ops::activation::ends_in_relu;
use crate::ops::attrs::DimSet;
use crate::ops::cast::Cast;
use crate::ops::pointwise::Add;
use crate::ops::reduce::Sum;
use crate::ops::shape::Reshape;
use crate::ops::{Op, Save};
use crate::replay;
use crate::tensor::Tensor;

/// The gradients of an op's operands, as its `vjp` builds them.
///
/// The output's gradient and what was saved are handed over: each can be asked for once. What `vjp` then gives on to its
/// last reader by value, and not by reference, may be overwritten with the result; see [`op`](Self::op).
pub struct Back<'a> {
    node: &'a Arc<Node>,
    grads: RefCell<Grads>,
    /// Whether the first output's was handed over.
    gave: Cell<bool>,
    is_gated: bool,
    /// What was saved, where no later backward needs it; `None` where an earlier one took it.
    saved: RefCell<Option<SavedTensors>>,
    mode: Walking,
    /// Whether what reaches a leaf is added to its `.grad`.
    into_leaves: bool,
    needed: u64,
    results: SmallVec<[Option<Tensor>; 3]>,
    /// The operand whose gradient is gated.
    gated: Option<usize>,
}

/// A leaf's `.grad`, this thread's alone to add to until this is dropped.
pub struct LeafGrad<'a> {
    grad: Tensor,
    _turn: Turn<'a>,
}

impl Deref for LeafGrad<'_> {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.grad
    }
}

/// The gradients that have reached the outputs of a node.
pub(super) type Grads = SmallVec<[Option<Tensor>; 1]>;

impl<'a> Back<'a> {
    pub(super) fn new(
        node: &'a Arc<Node>,
        grads: Grads,
        is_gated: bool,
        mode: Walking,
        into_leaves: bool,
        needed: u64,
    ) -> Self {
        let saved = if mode.frees_as_it_goes() { node.take_saved() } else { None };
        Self {
            node,
            grads: RefCell::new(grads),
            gave: Cell::new(false),
            is_gated,
            saved: RefCell::new(saved),
            mode,
            into_leaves,
            needed,
            results: smallvec::smallvec![None; node.operands().len()],
            gated: None,
        }
    }

    /// The gradients of the operands, and which of them is gated.
    pub(super) fn finish(self) -> (SmallVec<[Option<Tensor>; 3]>, Option<usize>) {
        if !self.mode.retain_graph && !self.mode.frees_as_it_goes() {
            drop(self.node.take_saved());
        }
        (self.results, self.gated)
    }

    /// The gradient of the first output; zero where none arrived. To be asked for once.
    pub fn g(&self) -> Result<Tensor> {
        if self.gave.replace(true) {
            bail!(Graph, "the gradient was asked for twice");
        }
        match self.grads.borrow_mut()[0].take() {
            Some(g) => Ok(g),
            None => make::zeros(self.node.outputs()[0]),
        }
    }

    fn saved(&self, which: Save) -> Result<Tensor> {
        if self.mode.frees_as_it_goes() {
            self.node.unpack_from(self.saved.borrow_mut().as_mut(), which)
        } else {
            self.node.unpack(which, self.mode.create_graph)
        }
    }

    /// Operand `i` as it was. To be asked for once.
    pub fn x(&self, i: usize) -> Result<Tensor> {
        self.saved(Save::X(i))
    }

    /// Output `i` as it was. To be asked for once.
    pub fn y(&self, i: usize) -> Result<Tensor> {
        self.saved(Save::Y(i))
    }

    /// The op whose gradient this is.
    pub fn kind(&self) -> &Op {
        self.node.op()
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
        self.mode.create_graph
    }

    /// The `.grad` of the leaf that is operand `i`, where it has one that an op which reads `others` may add to in place,
    /// and no other thread does.
    pub fn grad_of_leaf(&self, i: usize, others: &[&Tensor]) -> Option<LeafGrad<'a>> {
        let Edge::Leaf(leaf) = &self.node.operands()[i].edge else { return None };
        if self.mode.create_graph || !self.into_leaves || leaf.leaf_hooks().is_some() {
            return None;
        }
        // Only tried: whoever has one leaf's turn must not wait for another's.
        let turn = leaf.grad_turns().try_take()?;
        let grad = leaf.grad()?;
        if others.iter().any(|other| other.meets(&grad))
            || !grad.is_contiguous()
            || grad.meta() != leaf.meta()
        {
            return None;
        }
        replay::note_grad_write(leaf);
        Some(LeafGrad { grad, _turn: turn })
    }

    /// Whether the gradient of the output went through the gate of this op, a relu, already; see [`add_gated`](Self::add_gated).
    pub fn is_gated(&self) -> bool {
        self.is_gated
    }

    /// Whether operand `i` is what a relu made, and nobody sees its gradient but that relu: then
    /// [`add_gated`](Self::add_gated) may be used.
    pub fn may_gate(&self, i: usize) -> bool {
        let Edge::Node(node, 0) = &self.node.operands()[i].edge else { return false };
        !self.mode.create_graph && self.into_leaves && !node.is_watched() && ends_in_relu(node.op())
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

    /// Applies an op. The result of an elementwise one takes the memory of an operand that is given by value, where
    /// nobody else sees it.
    pub fn op<'t, const N: usize>(
        &self,
        op: impl Into<Op>,
        operands: impl Operands<'t, N>,
    ) -> Result<Tensor> {
        apply_reusing(&op.into(), operands.list())
    }

    /// Adds the whole gradient of operand `i`, of which what a relu's derivative takes away is zero already. That is no less
    /// right where more is added later, and if nothing is, the relu need not go through it again.
    pub fn add_gated(&mut self, i: usize, grad: Tensor) -> Result<()> {
        self.gated = Some(i);
        self.add(i, grad)
    }

    /// Adds to the gradient of operand `i`. A gradient of a broadcast operand is summed back to its shape.
    pub fn add(&mut self, i: usize, grad: Tensor) -> Result<()> {
        if !self.needs(i) {
            return Ok(());
        }
        let meta = self.node.operand_meta(i);
        let mut grad = sum_to(grad, &meta.shape)?;
        if grad.dtype() != meta.dtype {
            grad = apply1(Cast { dtype: meta.dtype }, &[&grad])?;
        }
        self.results[i] = Some(match self.results[i].take() {
            Some(sum) => self.op(Add {}, (sum, grad))?,
            None => grad,
        });
        Ok(())
    }
}

/// The operands of an op: references, or a tuple of references and of tensors that are not needed again.
pub trait Operands<'a, const N: usize> {
    /// As a list.
    fn list(self) -> [Operand<'a>; N];
}

impl<'a, const N: usize> Operands<'a, N> for [&'a Tensor; N] {
    fn list(self) -> [Operand<'a>; N] {
        self.map(Operand::Lent)
    }
}

macro_rules! tuples {
    ($($n:literal: $($name:ident)+;)+) => { $(
        impl<'a, $($name: Into<Operand<'a>>),+> Operands<'a, $n> for ($($name,)+) {
            #[allow(non_snake_case, reason = "a value is called like its type")]
            fn list(self) -> [Operand<'a>; $n] {
                let ($($name,)+) = self;
                [$($name.into()),+]
            }
        }
    )+ };
}

tuples! {
    1: A;
    2: A B;
    3: A B C;
}

/// Sums `grad` over the dimensions along which an operand of `shape` was repeated.
fn sum_to(grad: Tensor, shape: &Shape) -> Result<Tensor> {
    if grad.shape() == shape {
        return Ok(grad);
    }
    let lead = grad.rank() - shape.len();
    let mut dims = DimSet::default();
    for (i, &d) in grad.shape().iter().enumerate() {
        if i < lead || (shape[i - lead] == 1 && d != 1) {
            dims = dims.with(i);
        }
    }
    let summed = apply1(Sum { dims, keepdim: true }, &[&grad])?;
    if summed.shape() == shape { Ok(summed) } else { apply1(Reshape { shape: *shape }, &[&summed]) }
}
