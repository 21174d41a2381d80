//! The walk back through the graph: newest node first, each once, releasing what it saved as it goes.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::back::{Back, Grads};
use super::mode::GradMode;
use super::node::{Edge, Node};
use super::queue::{Pending, Queue};
use crate::apply::{apply_in_place, apply_reusing, apply1};
use crate::error::{Result, bail};
use crate::make;
use crate::ops::memory::Clone;
use crate::ops::pointwise::Add;
use crate::replay;
use crate::tensor::Tensor;

/// How a backward treats the graph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walking {
    pub(super) retain_graph: bool,
    pub(super) create_graph: bool,
}

impl Walking {
    /// Whether what a node saved is its gradient's alone. A graph of the gradients needs the node itself for its history.
    pub(super) fn frees_as_it_goes(self) -> bool {
        !self.retain_graph && !self.create_graph
    }
}

/// Where gradients asked for by [`grad`] are collected.
struct Targets {
    nodes: HashMap<(u64, u32), usize>,
    leaves: Vec<(Tensor, usize)>,
    /// Nodes on a way from the roots to a target.
    on_the_way: HashSet<u64>,
    found: Vec<Option<Tensor>>,
}

static INTERRUPT: OnceLock<fn() -> Result<()>> = OnceLock::new();

/// Installs what a long walk or replay calls now and then, to see whether the user wants to stop.
pub fn set_interrupt_check(check: fn() -> Result<()>) {
    let _ = INTERRUPT.set(check);
}

/// Calls the installed check about 20 times a second.
pub(crate) struct Interrupts {
    last: Option<Instant>,
    count: u32,
}

impl Interrupts {
    pub(crate) fn new() -> Self {
        Self { last: None, count: 0 }
    }

    #[inline]
    pub(crate) fn poll(&mut self) -> Result<()> {
        self.count += 1;
        // Looking at the clock costs as much as a small op.
        if !self.count.is_multiple_of(32) {
            return Ok(());
        }
        let last = *self.last.get_or_insert_with(Instant::now);
        if last.elapsed() < Duration::from_millis(50) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        INTERRUPT.get().map_or(Ok(()), |check| check())
    }
}

/// Computes the gradients of `roots` with respect to the leaves and adds them to their `.grad`.
///
/// A root without a gradient must have one element and gets 1.
pub fn backward(roots: &[(Tensor, Option<Tensor>)], retain_graph: bool, create_graph: bool) -> Result<()> {
    walk(roots, None, Walking { retain_graph, create_graph }).map(|_| ())
}

/// Computes and returns the gradients of `roots` with respect to `inputs`.
///
/// An input the roots do not depend on has no gradient.
pub fn grad(
    roots: &[(Tensor, Option<Tensor>)],
    inputs: &[Tensor],
    retain_graph: bool,
    create_graph: bool,
) -> Result<Vec<Option<Tensor>>> {
    let mut targets = Targets::new(inputs)?;
    targets.mark(roots);
    let mut found = walk(roots, Some(targets), Walking { retain_graph, create_graph })?;
    // An input given twice is collected once.
    for (i, input) in inputs.iter().enumerate() {
        if let Some(first) = inputs[..i].iter().position(|other| other.is(input)) {
            found[i] = found[first].clone();
        }
    }
    Ok(found)
}

impl Targets {
    fn new(inputs: &[Tensor]) -> Result<Self> {
        let mut targets = Self {
            nodes: HashMap::new(),
            leaves: Vec::new(),
            on_the_way: HashSet::new(),
            found: vec![None; inputs.len()],
        };
        for (i, input) in inputs.iter().enumerate() {
            match input.edge() {
                Edge::None => bail!(
                    Graph,
                    "input {i} does not require a gradient; set requires_grad=True before it is used"
                ),
                Edge::Node(node, output) => {
                    targets.nodes.entry((node.seq(), output)).or_insert(i);
                }
                Edge::Leaf(leaf) => targets.leaves.push((leaf, i)),
            }
        }
        Ok(targets)
    }

    fn leaf(&self, leaf: &Tensor) -> Option<usize> {
        self.leaves.iter().find(|(t, _)| t.is(leaf)).map(|&(_, i)| i)
    }

    fn is_node(&self, node: &Node) -> bool {
        (0..node.outputs().len() as u32).any(|o| self.nodes.contains_key(&(node.seq(), o)))
    }

    /// Finds the nodes through which gradients must pass.
    fn mark(&mut self, roots: &[(Tensor, Option<Tensor>)]) {
        let mut nodes: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
        let mut stack: Vec<Arc<Node>> = roots.iter().filter_map(|(t, _)| t.history().map(|h| h.0)).collect();
        while let Some(node) = stack.pop() {
            if nodes.insert(node.seq(), node.clone()).is_none() {
                stack.extend(node.edges().filter_map(|e| match e {
                    Edge::Node(next, _) => Some(next.clone()),
                    _ => None,
                }));
            }
        }
        // Oldest first: operands are decided before the nodes that use them.
        for node in nodes.values() {
            if node.edges().any(|edge| self.wants(edge)) {
                self.on_the_way.insert(node.seq());
            }
        }
    }

    /// Whether a gradient along `edge` leads to a target.
    fn wants(&self, edge: &Edge) -> bool {
        match edge {
            Edge::None => false,
            Edge::Leaf(leaf) => self.leaf(leaf).is_some(),
            Edge::Node(next, _) => self.on_the_way.contains(&next.seq()) || self.is_node(next),
        }
    }
}

fn walk(
    roots: &[(Tensor, Option<Tensor>)],
    targets: Option<Targets>,
    mode: Walking,
) -> Result<Vec<Option<Tensor>>> {
    let _grad_mode = GradMode::set(mode.create_graph);
    let mut walk = Walk { hooked: Vec::new(), pending: Queue::default(), targets, mode };
    for (root, grad) in roots {
        let grad = root_grad(root, grad.as_ref())?;
        walk.send(&root.edge(), grad, false)?;
    }
    let mut interrupts = Interrupts::new();
    while let Some(Pending { node, grads, is_gated }) = walk.pending.pop() {
        interrupts.poll()?;
        walk.visit(&node, grads, is_gated).map_err(|e| e.in_op(node.op().name()))?;
    }
    for (leaf, grad) in std::mem::take(&mut walk.hooked) {
        if let Some(grad) = grad {
            let hooks = leaf.leaf_hooks().unwrap_or_default();
            walk.deliver(&leaf, hooks.run(grad)?)?;
        }
    }
    Ok(walk.targets.map_or_else(Vec::new, |t| t.found))
}

fn root_grad(root: &Tensor, grad: Option<&Tensor>) -> Result<Tensor> {
    if root.batched().is_some() {
        bail!(
            Unsupported,
            "backward: gradients of single examples inside vmap are not supported yet; \
             apply vmap to the forward pass and take the gradient outside"
        );
    }
    if !root.requires_grad() {
        bail!(
            Graph,
            "backward of a tensor that does not require a gradient: nothing it was computed from has requires_grad=True"
        );
    }
    match grad {
        Some(grad) if grad.shape() != root.shape() => bail!(
            Value,
            "backward: the gradient given has shape {}, the tensor {}; they must be the same",
            grad.shape(),
            root.shape()
        ),
        Some(grad) if grad.dtype() != root.dtype() => {
            bail!(DType, "backward: the gradient given is {}, the tensor {}", grad.dtype(), root.dtype())
        }
        Some(grad) => Ok(grad.clone()),
        None if root.numel() == 1 => make::full(*root.meta(), 1.0),
        None => bail!(
            Graph,
            "backward: only a tensor of one element has a gradient of its own, not one of shape {}; \
             reduce it with .sum() or .mean(), or pass a gradient of its shape",
            root.shape()
        ),
    }
}

struct Walk {
    /// Gradients of leaves with hooks, which see the sum once all of it has arrived.
    hooked: Vec<(Tensor, Option<Tensor>)>,
    pending: Queue,
    targets: Option<Targets>,
    mode: Walking,
}

impl Walk {
    /// Delivers a gradient, perhaps a gated one.
    fn send(&mut self, edge: &Edge, grad: Tensor, is_gated: bool) -> Result<()> {
        if self.targets.as_ref().is_some_and(|t| !t.wants(edge)) {
            return Ok(());
        }
        match edge {
            Edge::None => Ok(()),
            Edge::Leaf(leaf) => self.arrive(leaf, grad),
            Edge::Node(node, output) => {
                let pending = self.pending.of(node);
                let arrived = &mut pending.grads[*output as usize];
                pending.is_gated = is_gated && (arrived.is_none() || pending.is_gated);
                add(arrived, grad)
            }
        }
    }

    fn visit(&mut self, node: &Arc<Node>, mut grads: Grads, is_gated: bool) -> Result<()> {
        let is_watched = node.is_watched();
        for (output, slot) in grads.iter_mut().enumerate() {
            if !is_watched && self.targets.is_none() {
                break;
            }
            let output = output as u32;
            let Some(mut grad) = slot.take() else { continue };
            if let Some(hooks) = node.hooks(output) {
                grad = hooks.run(grad)?;
            }
            for tensor in node.retained(output) {
                accumulate(&tensor, grad.clone(), self.mode.create_graph)?;
            }
            if let Some(targets) = &mut self.targets
                && let Some(&i) = targets.nodes.get(&(node.seq(), output))
            {
                targets.found[i] = Some(grad.clone());
            }
            *slot = Some(grad);
        }
        let mut needed = 0u64;
        for (i, edge) in node.edges().enumerate() {
            let wanted = match &self.targets {
                Some(targets) => targets.wants(edge),
                None => !edge.is_none(),
            };
            if wanted {
                needed |= 1 << i.min(63);
            }
        }
        if needed == 0 || grads.iter().all(Option::is_none) {
            return Ok(());
        }
        // What a hook returns may be anything.
        let is_gated = is_gated && !is_watched;
        let mut back = Back::new(node, grads, is_gated, self.mode, self.targets.is_none(), needed);
        node.op().vjp(&mut back)?;
        let (results, gated) = back.finish();
        for (i, (edge, grad)) in node.edges().zip(results).enumerate() {
            if let Some(grad) = grad {
                self.send(edge, grad, gated == Some(i))?;
            }
        }
        Ok(())
    }

    /// A gradient has reached a leaf.
    fn arrive(&mut self, leaf: &Tensor, grad: Tensor) -> Result<()> {
        if leaf.leaf_hooks().is_none() {
            return self.deliver(leaf, grad);
        }
        match self.hooked.iter_mut().find(|(t, _)| t.is(leaf)) {
            Some((_, sum)) => add(sum, grad),
            None => {
                self.hooked.push((leaf.clone(), Some(grad)));
                Ok(())
            }
        }
    }

    /// Adds to what was asked for: a leaf's `.grad`, or what is found for a target.
    fn deliver(&mut self, leaf: &Tensor, grad: Tensor) -> Result<()> {
        match &mut self.targets {
            None => accumulate(leaf, grad, self.mode.create_graph),
            Some(targets) => match targets.leaf(leaf) {
                Some(i) => add(&mut targets.found[i], grad),
                None => Ok(()),
            },
        }
    }
}

/// Adds to what has arrived: in its memory or the other's, where nobody else can see that.
fn add(arrived: &mut Option<Tensor>, grad: Tensor) -> Result<()> {
    *arrived = Some(match arrived.take() {
        Some(sum) => apply_reusing(&Add {}.into(), [sum.into(), grad.into()])?,
        None => grad,
    });
    Ok(())
}

/// Adds to a tensor's `.grad`. Other threads may do so at the same time.
pub fn accumulate(tensor: &Tensor, grad: Tensor, create_graph: bool) -> Result<()> {
    let _turn = tensor.grad_turns().take();
    let old = tensor.grad();
    replay::note_grad_write(tensor);
    let new = match old {
        Some(old) if create_graph => apply1(Add {}, &[&old, &grad])?,
        Some(old) => {
            apply_in_place(Add {}, &[&old, &grad])?;
            return Ok(());
        }
        // A gradient nobody else sees becomes the leaf's own; a shared or repeated one is copied.
        None if grad.is_exclusive() && grad.is_contiguous() => grad,
        None if create_graph => grad,
        None => apply1(Clone {}, &[&grad])?,
    };
    tensor.put_grad(Some(new));
    Ok(())
}
