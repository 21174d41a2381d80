//! The one way to run an operator, and the interceptors on it: vmap, autograd, the recorder.
use retrograd_kernels::Strides;
use smallvec::SmallVec;

use crate::autograd::{Edge, GradMode, Node};
use crate::error::{Result, bail};
use crate::layout::{Meta, kept_strides};
use crate::mode::{Mode, mode};
use crate::ops::memory::{Clone, CopyInto};
use crate::ops::{Info, Metas, Op, Save, View};
use crate::replay;
use crate::tensor::Tensor;
use crate::view::ViewOf;
use crate::vmap;

/// The outputs of an op.
pub type Outputs = SmallVec<[Tensor; 1]>;

/// Applies an op of one output.
pub fn apply1(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor> {
    let mut outputs = apply(op, inputs)?;
    Ok(outputs.swap_remove(0))
}

/// Applies an op.
pub fn apply(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    apply_in(&op.into(), inputs, mode())
}

fn apply_in(op: &Op, inputs: &[&Tensor], mode: Mode) -> Result<Outputs> {
    let outputs = if mode.vmap > 0 && inputs.iter().any(|x| x.batched().is_some()) {
        vmap::apply_batched(*op, inputs)
    } else {
        apply_plain(op, inputs, mode)
    };
    outputs.map_err(|e| e.in_op(op.name()))
}

/// An operand of an op that a vector-Jacobian product applies.
pub enum Operand<'a> {
    /// Needed again.
    Lent(&'a Tensor),
    /// Not needed again: where nobody else sees its memory, the result may be written there.
    Given(Tensor),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Operand::Lent(tensor)
    }
}

impl From<Tensor> for Operand<'_> {
    fn from(tensor: Tensor) -> Self {
        Operand::Given(tensor)
    }
}

impl Operand<'_> {
    fn tensor(&self) -> &Tensor {
        match self {
            Operand::Lent(tensor) => tensor,
            Operand::Given(tensor) => tensor,
        }
    }
}

/// Applies an op of one output whose result nobody will differentiate; an elementwise one writes it over an operand that
/// was given, where nobody else sees that one.
pub(crate) fn apply_reusing<const N: usize>(op: &Op, operands: [Operand; N]) -> Result<Tensor> {
    let inputs = operands.each_ref().map(Operand::tensor);
    let mode = mode();
    // A replay plans its memory itself, and what a recording found there must stay for the next replay.
    let may_reuse = op.info().elementwise && !mode.grad && !mode.recording && mode.vmap == 0;
    let spare = |x: &Operand| match x {
        Operand::Given(x) => x.is_exclusive() && !x.overlaps_itself(),
        Operand::Lent(_) => false,
    };
    if may_reuse && operands.iter().any(spare) {
        let result = infer(op, &inputs).map_err(|e| e.in_op(op.name()))?[0];
        let strides = output_strides(op.info(), &inputs, &result);
        let fits =
            |x: &Tensor| *x.meta() == result && strides.map_or(x.is_contiguous(), |s| s == *x.strides());
        if let Some(at) = operands.iter().position(|x| spare(x) && fits(x.tensor())) {
            execute_in(op, &inputs, std::slice::from_ref(inputs[at]), mode)
                .map_err(|e| e.in_op(op.name()))?;
            return Ok(inputs[at].clone());
        }
    }
    let mut outputs = apply_in(op, &inputs, Mode { views: mode.grad, ..mode })?;
    Ok(outputs.swap_remove(0))
}

/// Calls `f` with one value for each of a list: most lists are short, and then nothing is allocated.
#[inline]
fn with_each<T: Copy, U: Copy, R>(list: &[T], fill: U, get: impl Fn(T) -> U, f: impl FnOnce(&[U]) -> R) -> R {
    const SHORT: usize = 4;
    if list.len() > SHORT {
        return f(&list.iter().map(|&x| get(x)).collect::<Vec<U>>());
    }
    let mut buffer = [fill; SHORT];
    for (slot, &x) in buffer.iter_mut().zip(list) {
        *slot = get(x);
    }
    f(&buffer[..list.len()])
}

/// The outputs' metas.
#[inline]
fn infer(op: &Op, inputs: &[&Tensor]) -> Result<Metas> {
    let Some(first) = inputs.first() else { return op.infer(&[]) };
    with_each(inputs, first.meta(), |x| x.meta(), |metas| op.infer(metas))
}

/// How the one output of an op is to lie where that is not row-major: as its operands do, if it is computed element by
/// element and they all lie one way.
// Apart, so that what is mostly the case costs a few instructions.
#[inline(never)]
fn output_strides(info: &Info, inputs: &[&Tensor], output: &Meta) -> Option<Strides> {
    let is_settled = |x: &&Tensor| x.is_contiguous() && *x.shape() == output.shape;
    if !info.elementwise || info.row_major || inputs.iter().any(is_settled) {
        return None;
    }
    kept_strides(&output.shape, inputs.iter().map(|x| (x.shape(), x.strides())))
}

/// An output with arbitrary contents.
#[inline]
fn output(info: &Info, inputs: &[&Tensor], meta: &Meta) -> Result<Tensor> {
    let is_plain = inputs.iter().all(|x| x.is_contiguous());
    if !is_plain && let Some(strides) = output_strides(info, inputs, meta) {
        return Tensor::empty_lying(meta, strides);
    }
    Tensor::empty(meta.shape, meta.dtype)
}

fn apply_plain(op: &Op, inputs: &[&Tensor], mode: Mode) -> Result<Outputs> {
    let info = op.info();
    let inferred = infer(op, inputs);
    // By reference: a list of shapes is slow to move.
    let out_metas = match &inferred {
        Ok(metas) => metas,
        Err(_) => return inferred.map(|_| Outputs::new()),
    };
    let track = info.differentiable > 0 && mode.grad && inputs.iter().any(|x| x.requires_grad());

    if let [x] = inputs
        && let Some(layout) = op.view(&x.layout())
    {
        let mut y = Tensor::from_parts(x.storage().clone(), x.dtype(), layout);
        if track {
            y.begin_history(Node::of_view(op, x.edge(), x.meta(), y.meta()), 0);
        }
        if mode.views {
            y.set_view(ViewOf::new(x, op));
        }
        return Ok(smallvec::smallvec![y]);
    }

    let mut outputs = Outputs::new();
    for meta in out_metas {
        outputs.push(output(info, inputs, meta)?);
    }
    execute_in(op, inputs, &outputs, mode)?;
    if !info.mutates.is_empty() {
        let per_list = if info.variadic { inputs.len() / info.operands.len() } else { 1 };
        for list in info.mutates {
            for x in &inputs[list * per_list..(list + 1) * per_list] {
                x.storage().bump();
            }
        }
    }
    if track && outputs.first().is_some_and(|y| y.dtype().is_float()) {
        let node = Node::new(op, inputs, &outputs, |i| differentiable_edge(inputs[i]));
        for (i, y) in outputs.iter_mut().take(info.differentiable).enumerate() {
            y.begin_history(node.clone(), i as u32);
        }
    }
    Ok(outputs)
}

fn differentiable_edge(x: &Tensor) -> Edge {
    if x.dtype().is_float() { x.edge() } else { Edge::None }
}

/// Runs the kernel of an op and tells a recording of it.
pub(crate) fn execute(op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) -> Result<()> {
    execute_in(op, inputs, outputs, mode())
}

#[inline]
fn execute_in(op: &Op, inputs: &[&Tensor], outputs: &[Tensor], mode: Mode) -> Result<()> {
    fn view(t: &Tensor) -> View<'_> {
        View { ptr: t.ptr(), meta: t.meta(), strides: t.strides() }
    }
    let any = match (inputs, outputs) {
        ([first, ..], _) => view(first),
        ([], [first, ..]) => view(first),
        ([], []) => return op.run(&[], &[]),
    };
    let one = outputs.first().map_or(any, view);
    match outputs {
        // The common case, without a copy of the list.
        [_] => with_each(inputs, any, |x| view(x), |x| op.run(x, &[one]))?,
        _ => {
            let y: SmallVec<[View; 2]> = outputs.iter().map(view).collect();
            with_each(inputs, any, |x| view(x), |x| op.run(x, &y))?;
        }
    }
    if mode.recording {
        replay::record(op, inputs, outputs);
    }
    Ok(())
}

/// Applies an op and writes its one output over `out`, which takes no part in the graph.
///
/// The result must have the shape and dtype of `out`, and nothing may require a gradient.
pub fn apply_out(op: impl Into<Op>, inputs: &[&Tensor], out: &Tensor) -> Result<()> {
    let op = op.into();
    into(op, inputs, out).map_err(|e| e.in_op(op.name()))
}

fn into(op: Op, inputs: &[&Tensor], out: &Tensor) -> Result<()> {
    let mode = mode();
    if mode.vmap > 0 && inputs.iter().chain([&out]).any(|x| x.batched().is_some()) {
        bail!(Unsupported, "'out' is not supported under vmap; leave it out");
    }
    if mode.grad && inputs.iter().chain([&out]).any(|x| x.requires_grad()) {
        bail!(Graph, "'out' cannot be used where a gradient is required; leave it out, or use no_grad()");
    }
    let metas = infer(&op, inputs);
    let result = match &metas {
        Ok(metas) => &metas[0],
        Err(_) => return metas.map(|_| ()),
    };
    if result != out.meta() {
        bail!(
            Value,
            "the result is {} of shape {}, 'out' {} of shape {}; they must be the same",
            result.dtype,
            result.shape,
            out.dtype(),
            out.shape()
        );
    }
    if out.overlaps_itself() {
        bail!(Graph, "'out' is an expanded tensor, whose elements share memory; pass a .clone()");
    }
    let is_apart = || !inputs.iter().any(|x| x.meets(out));
    execute_over(&op, inputs, out, out.is_contiguous() && is_apart(), mode)
}

/// Runs an op and writes its result over `target`, of the result's shape and dtype: straight away where the kernel may
/// write there, else by way of fresh memory.
fn execute_over(op: &Op, inputs: &[&Tensor], target: &Tensor, direct: bool, mode: Mode) -> Result<()> {
    if direct {
        execute_in(op, inputs, std::slice::from_ref(target), mode)?;
    } else {
        let fresh = Tensor::empty(*target.shape(), target.dtype())?;
        execute_in(op, inputs, std::slice::from_ref(&fresh), mode)?;
        execute_in(&CopyInto {}.into(), &[target, &fresh], std::slice::from_ref(target), mode)?;
    }
    target.storage().bump();
    Ok(())
}

/// Applies an op and writes its first output over its first operand.
///
/// The result must have the operand's shape and dtype.
pub fn apply_in_place(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<()> {
    let op = op.into();
    in_place(op, inputs).map_err(|e| e.in_op(op.name()))
}

fn in_place(op: Op, inputs: &[&Tensor]) -> Result<()> {
    let (target, mode) = (inputs[0], mode());
    if mode.vmap > 0 && inputs.iter().any(|x| x.batched().is_some()) {
        bail!(
            Unsupported,
            "in-place operations on a batched tensor are not supported under vmap; use the out-of-place form"
        );
    }
    let result = infer(&op, inputs)?[0];
    if result.shape != *target.shape() {
        bail!(
            Value,
            "the result has shape {}, which does not fit in place into a tensor of shape {}",
            result.shape,
            target.shape()
        );
    }
    if result.dtype != target.dtype() {
        bail!(
            DType,
            "the result is {}, which does not fit in place into a {} tensor",
            result.dtype,
            target.dtype()
        );
    }
    if target.overlaps_itself() {
        bail!(
            Graph,
            "cannot write in place into an expanded tensor, whose elements share memory; write into a .clone()"
        );
    }

    let track = mode.grad && target.dtype().is_float() && inputs.iter().any(|x| x.requires_grad());
    let view = target.view_of();
    if track {
        let leaf = |t: &Tensor| t.requires_grad() && t.is_leaf();
        if leaf(target) || view.as_ref().is_some_and(|v| leaf(&v.base)) {
            bail!(
                Graph,
                "a leaf that requires a gradient, or a view of one, is overwritten in place; do it under no_grad()"
            );
        }
    }
    let way_back = match &view {
        Some(view) if track => view.way_back(target.meta())?,
        _ => Vec::new(),
    };
    let edges: SmallVec<[Edge; 2]> =
        if track { inputs.iter().map(|x| differentiable_edge(x)).collect() } else { SmallVec::new() };

    let kept = if track { keep_overwritten(&op, inputs, &edges)? } else { Kept::new() };
    let info = op.info();
    let may_write = info.elementwise || info.fills && target.is_contiguous();
    let direct = may_write && !inputs[1..].iter().any(|x| x.meets(target) && !x.lies_as(target));
    execute_over(&op, inputs, target, direct, mode)?;

    if track {
        let mut saved_from: SmallVec<[&Tensor; 4]> = SmallVec::from_slice(inputs);
        for (i, copy) in &kept {
            saved_from[*i] = copy;
        }
        let node = Node::new(&op, &saved_from, std::slice::from_ref(target), |i| edges[i].clone());
        match view {
            Some(view) => {
                view.rewrite_base(node, target.meta(), &way_back);
                target.move_retained();
            }
            None => target.rewrite_history(node, 0),
        }
    }
    Ok(())
}

/// Copies of operands, with their numbers.
type Kept = SmallVec<[(usize, Tensor); 1]>;

/// What a gradient needs of the first operand, and of others in its memory, before that is overwritten.
fn keep_overwritten(op: &Op, inputs: &[&Tensor], edges: &[Edge]) -> Result<Kept> {
    let mut kept = Kept::new();
    for &(operand, save) in op.info().saves {
        let Save::X(i) = save else { continue };
        let is_needed = edges.get(operand).is_some_and(|e| !e.is_none());
        if !is_needed || i >= inputs.len() || !inputs[i].meets(inputs[0]) {
            continue;
        }
        let copy = match kept.iter().find(|(other, _)| inputs[*other].lies_as(inputs[i])) {
            Some((_, copy)) => copy.clone(),
            None => {
                let _no_grad = GradMode::set(false);
                apply1(Clone {}, &[inputs[i]])?
            }
        };
        kept.push((i, copy));
    }
    Ok(kept)
}
