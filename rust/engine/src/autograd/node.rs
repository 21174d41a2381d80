//! The nodes of the graph: an op that ran, where its operands came from, and what it saved.
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use smallvec::{SmallVec, smallvec};

use super::hooks::{Hook, HookId, Hooks};
use crate::error::{Result, bail};
use crate::layout::{Layout, Meta};
use crate::ops::{Op, Save};
use crate::storage::Storage;
use crate::tensor::{Inner, Tensor};

/// Where the gradient of an operand goes.
#[derive(Clone)]
pub enum Edge {
    /// Nowhere.
    None,
    /// To an output of a node.
    Node(Arc<Node>, u32),
    /// Into a leaf's `.grad`.
    Leaf(Tensor),
}

impl Edge {
    /// Whether no gradient flows here.
    pub fn is_none(&self) -> bool {
        matches!(self, Edge::None)
    }
}

/// An operand of a node.
pub(crate) struct Operand {
    pub(crate) edge: Edge,
    /// Its meta, where it is not that of the node's first output.
    meta: Option<Box<Meta>>,
}

/// An op that ran and whose operands require gradients.
pub struct Node {
    op: Op,
    /// Nodes are numbered as they are made, so operands always have smaller numbers.
    seq: u64,
    operands: SmallVec<[Operand; 2]>,
    outputs: SmallVec<[Meta; 1]>,
    saved: Mutex<Saved>,
    watchers: Mutex<Option<Box<Watchers>>>,
}

/// Who wants to see the gradients of a node's outputs.
#[derive(Default)]
struct Watchers {
    hooks: Vec<(u32, Hooks)>,
    retained: Vec<(u32, Weak<Inner>)>,
}

enum Saved {
    Kept(SmallVec<[SavedTensor; 2]>),
    Freed,
}

/// A tensor kept for the backward pass: its memory, not its place in the graph, so that no cycle can arise.
struct SavedTensor {
    which: Save,
    storage: Arc<Storage>,
    version: u32,
    dtype: crate::dtype::DType,
    offset: usize,
    /// Where it is not contiguous in the shape of the node's first output.
    layout: Option<Box<Layout>>,
}

impl SavedTensor {
    fn new(which: Save, tensor: &Tensor, like: &Meta) -> Self {
        let plain = tensor.is_contiguous() && *tensor.shape() == like.shape;
        Self {
            which,
            storage: tensor.storage().clone(),
            version: tensor.storage().version(),
            dtype: tensor.dtype(),
            offset: tensor.offset(),
            layout: (!plain).then(|| Box::new(tensor.layout())),
        }
    }

    fn layout(&self, like: &Meta) -> Layout {
        match &self.layout {
            Some(layout) => **layout,
            None => Layout { offset: self.offset, ..Layout::contiguous(like.shape) },
        }
    }
}

fn next_seq() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    /// The node of an op that ran. `inputs` are what it ran on; `edge` says where each came from.
    pub(crate) fn new(
        op: Op,
        inputs: &[&Tensor],
        outputs: &[Tensor],
        edge: impl Fn(usize) -> Edge,
    ) -> Arc<Node> {
        let like = outputs[0].meta();
        let mut operands: SmallVec<[Operand; 2]> = SmallVec::with_capacity(inputs.len());
        for (i, x) in inputs.iter().enumerate() {
            let meta = if x.meta() == like { None } else { Some(Box::new(*x.meta())) };
            operands.push(Operand { edge: edge(i), meta });
        }
        let mut saved: SmallVec<[SavedTensor; 2]> = SmallVec::new();
        for &(operand, which) in op.info().saves {
            // Operands that may be left out may be missing.
            if operands.get(operand).is_none_or(|o| o.edge.is_none())
                || saved.iter().any(|s| s.which == which)
            {
                continue;
            }
            let tensor = match which {
                Save::X(i) if i >= inputs.len() => continue,
                Save::X(i) => inputs[i],
                Save::Y(i) => &outputs[i],
            };
            saved.push(SavedTensor::new(which, tensor, like));
        }
        let mut metas: SmallVec<[Meta; 1]> = SmallVec::with_capacity(outputs.len());
        for y in outputs {
            metas.push(*y.meta());
        }
        Arc::new(Node {
            op,
            seq: next_seq(),
            operands,
            outputs: metas,
            saved: Mutex::new(Saved::Kept(saved)),
            watchers: Mutex::new(None),
        })
    }

    /// The node of an op that saves nothing and gives one output.
    pub(crate) fn unsaved(op: Op, edges: SmallVec<[Edge; 2]>, inputs: &[Meta], output: Meta) -> Arc<Node> {
        let operands = edges
            .into_iter()
            .zip(inputs)
            .map(|(edge, x)| Operand { edge, meta: (*x != output).then(|| Box::new(*x)) })
            .collect();
        Arc::new(Node {
            op,
            seq: next_seq(),
            operands,
            outputs: smallvec![output],
            saved: Mutex::new(Saved::Kept(SmallVec::new())),
            watchers: Mutex::new(None),
        })
    }

    /// The node of a view op.
    pub(crate) fn of_view(op: Op, edge: Edge, input: Meta, output: Meta) -> Arc<Node> {
        Self::unsaved(op, smallvec![edge], &[input], output)
    }

    /// The op that ran.
    pub fn op(&self) -> &Op {
        &self.op
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    pub(crate) fn operands(&self) -> &[Operand] {
        &self.operands
    }

    /// Where each operand's gradient goes.
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.operands.iter().map(|o| &o.edge)
    }

    pub(crate) fn outputs(&self) -> &[Meta] {
        &self.outputs
    }

    pub(crate) fn operand_meta(&self, i: usize) -> &Meta {
        self.operands[i].meta.as_deref().unwrap_or(&self.outputs[0])
    }

    /// A saved tensor, with its history where `with_history`.
    pub(crate) fn unpack(self: &Arc<Self>, which: Save, with_history: bool) -> Result<Tensor> {
        let guard = lock(&self.saved);
        let Saved::Kept(saved) = &*guard else {
            bail!(
                Graph,
                "backward through this part of the graph a second time, after what it saved was freed; \
                 pass retain_graph=True to the first backward()"
            );
        };
        let Some(s) = saved.iter().find(|s| s.which == which) else {
            bail!(Graph, "the tensor {which:?} was not saved for backward");
        };
        if s.storage.version() != s.version {
            let what = match which {
                Save::X(i) => format!("operand {i}"),
                Save::Y(i) => format!("output {i}"),
            };
            bail!(
                Graph,
                "{what}, needed for backward, was overwritten by an in-place operation since (version {}, expected {}); \
                 write into a .clone() of it instead",
                s.storage.version(),
                s.version
            );
        }
        let edge = match which {
            Save::X(i) if with_history => self.operands[i].edge.clone(),
            Save::Y(i) if with_history => Edge::Node(self.clone(), i as u32),
            _ => Edge::None,
        };
        if let Edge::Leaf(leaf) = edge {
            return Ok(leaf);
        }
        let tensor = Tensor::from_parts(s.storage.clone(), s.dtype, s.layout(&self.outputs[0]));
        drop(guard);
        if let Edge::Node(node, output) = edge {
            tensor.set_history(node, output);
        }
        Ok(tensor)
    }

    /// Fails where what is needed was freed by an earlier backward.
    pub(crate) fn release_saved(&self) {
        let mut saved = lock(&self.saved);
        if matches!(&*saved, Saved::Kept(list) if !list.is_empty()) {
            let old = std::mem::replace(&mut *saved, Saved::Freed);
            drop(saved);
            drop(old);
        }
    }

    pub(crate) fn add_hook(&self, output: u32, id: HookId, hook: Arc<dyn Hook>) {
        let mut watchers = lock(&self.watchers);
        let list = &mut watchers.get_or_insert_default().hooks;
        match list.iter_mut().find(|(o, _)| *o == output) {
            Some((_, hooks)) => hooks.add(id, hook),
            None => {
                let mut hooks = Hooks::default();
                hooks.add(id, hook);
                list.push((output, hooks));
            }
        }
    }

    pub(crate) fn remove_hook(&self, id: HookId) {
        let removed = lock(&self.watchers)
            .as_mut()
            .and_then(|w| w.hooks.iter_mut().find_map(|(_, hooks)| hooks.remove(id)));
        drop(removed);
    }

    pub(crate) fn hooks(&self, output: u32) -> Option<Hooks> {
        let watchers = lock(&self.watchers);
        watchers.as_ref()?.hooks.iter().find(|(o, _)| *o == output).map(|(_, hooks)| hooks.clone())
    }

    pub(crate) fn all_hooks(&self) -> Option<Vec<Hooks>> {
        let watchers = self.watchers.try_lock().ok()?;
        Some(watchers.as_ref().map_or_else(Vec::new, |w| w.hooks.iter().map(|(_, h)| h.clone()).collect()))
    }

    pub(crate) fn retain_grad(&self, output: u32, tensor: Weak<Inner>) {
        let mut watchers = lock(&self.watchers);
        watchers.get_or_insert_default().retained.push((output, tensor));
    }

    pub(crate) fn retained(&self, output: u32) -> Vec<Tensor> {
        let watchers = lock(&self.watchers);
        let Some(w) = watchers.as_ref() else { return Vec::new() };
        w.retained.iter().filter(|(o, _)| *o == output).filter_map(|(_, t)| t.upgrade().map(Tensor)).collect()
    }
}

thread_local! {
    /// Edges of nodes being dropped on this thread: a graph of a million nodes is dropped in a loop.
    static DROPPING: RefCell<Option<Vec<Edge>>> = const { RefCell::new(None) };
}

impl Drop for Node {
    fn drop(&mut self) {
        // Only what this node is the last to hold can lead further.
        let mut edges: Vec<Edge> = Vec::new();
        for operand in &mut self.operands {
            let ends = match &operand.edge {
                Edge::None => continue,
                Edge::Node(node, _) => Arc::strong_count(node) == 1,
                Edge::Leaf(leaf) => leaf.owners() == 1,
            };
            if ends {
                edges.push(std::mem::replace(&mut operand.edge, Edge::None));
            }
        }
        if edges.is_empty() {
            return;
        }
        let outermost = DROPPING.try_with(|queue| {
            let mut queue = queue.borrow_mut();
            match &mut *queue {
                Some(waiting) => {
                    waiting.append(&mut edges);
                    false
                }
                None => {
                    *queue = Some(std::mem::take(&mut edges));
                    true
                }
            }
        });
        if outermost != Ok(true) {
            return;
        }
        loop {
            let next = DROPPING.with(|queue| queue.borrow_mut().as_mut().and_then(Vec::pop));
            // Dropped here, outside of the borrow: its own edges join the queue.
            match next {
                Some(edge) => drop(edge),
                None => break,
            }
        }
        DROPPING.with(|queue| *queue.borrow_mut() = None);
    }
}
