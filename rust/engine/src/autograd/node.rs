//! The nodes of the graph: an op that ran, where its operands came from, and what it saved.
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use smallvec::{SmallVec, smallvec};

use super::hooks::{Hook, HookId, Hooks};
use crate::error::{Result, bail};
use crate::layout::{Layout, Meta};
use crate::ops::shape::Reshape;
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
    /// Its meta, where the edge does not tell and it is not that of the node's first output.
    meta: Option<Box<Meta>>,
}

impl Operand {
    #[inline]
    fn new(edge: Edge, meta: &Meta, like: &Meta) -> Self {
        let meta = (edge.is_none() && meta != like).then(|| Box::new(*meta));
        Self { edge, meta }
    }
}

/// Few ops have more operands than these.
type Operands = SmallVec<[Operand; 3]>;

/// An op that ran and whose operands require gradients.
pub struct Node {
    op: Op,
    /// Nodes are numbered as they are made, so operands always have smaller numbers.
    seq: u64,
    operands: Operands,
    outputs: SmallVec<[Meta; 1]>,
    saved: Mutex<Saved>,
    /// Whether there are watchers: mostly not, and then nobody need look.
    watched: AtomicBool,
    watchers: Mutex<Option<Box<Watchers>>>,
}

/// Who wants to see the gradients of a node's outputs.
#[derive(Default)]
struct Watchers {
    hooks: Vec<(u32, Hooks)>,
    retained: Vec<(u32, Weak<Inner>)>,
}

enum Saved {
    Kept(SavedTensors),
    Freed,
}

pub(super) type SavedTensors = SmallVec<[SavedTensor; 3]>;

/// A tensor kept for the backward pass: its memory, not its place in the graph, so that no cycle can arise.
pub(super) struct SavedTensor {
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

    /// The tensor, without history; `like` is the meta of the node's first output.
    fn tensor(&self, like: &Meta) -> Tensor {
        let storage = self.storage.clone();
        match &self.layout {
            Some(layout) => Tensor::from_parts(storage, self.dtype, **layout),
            None => Tensor::contiguous_at(storage, Meta::new(like.shape, self.dtype), self.offset),
        }
    }

    /// Fails where the contents are not what they were.
    fn check(&self) -> Result<()> {
        if self.storage.version() == self.version {
            return Ok(());
        }
        let what = match self.which {
            Save::X(i) => format!("operand {i}"),
            Save::Y(i) => format!("output {i}"),
        };
        bail!(
            Graph,
            "{what}, needed for backward, was overwritten by an in-place operation since (version {}, expected {}); \
             write into a .clone() of it instead",
            self.storage.version(),
            self.version
        );
    }
}

fn next_seq() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cold]
fn was_freed<T>() -> Result<T> {
    bail!(
        Graph,
        "backward through this part of the graph a second time, after what it saved was freed; \
         pass retain_graph=True to the first backward()"
    )
}

#[cold]
fn not_saved<T>(which: Save) -> Result<T> {
    bail!(Graph, "the tensor {which:?} was not saved for backward, or taken before")
}

impl Node {
    /// The node of an op that ran. `inputs` are what it ran on; `edge` says where each came from.
    pub(crate) fn new(
        op: &Op,
        inputs: &[&Tensor],
        outputs: &[Tensor],
        edge: impl Fn(usize) -> Edge,
    ) -> Arc<Node> {
        let like = outputs[0].meta();
        let mut operands = Operands::with_capacity(inputs.len());
        for (i, x) in inputs.iter().enumerate() {
            operands.push(Operand::new(edge(i), x.meta(), like));
        }
        let mut saved = SavedTensors::new();
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
        Self::assemble(op, operands, outputs.iter().map(|y| y.meta()), saved)
    }

    fn assemble<'a>(
        op: &Op,
        operands: Operands,
        outputs: impl ExactSizeIterator<Item = &'a Meta>,
        saved: SavedTensors,
    ) -> Arc<Node> {
        let mut metas: SmallVec<[Meta; 1]> = SmallVec::with_capacity(outputs.len());
        for meta in outputs {
            metas.push(*meta);
        }
        // Memory first: so the value is built where it stays.
        let node = Arc::<Node>::new_uninit();
        let place = Arc::as_ptr(&node).cast::<Node>().cast_mut();
        // SAFETY: the memory is fresh and nobody else has it.
        unsafe {
            place.write(Node {
                op: *op,
                seq: next_seq(),
                operands,
                outputs: metas,
                saved: Mutex::new(Saved::Kept(saved)),
                watched: AtomicBool::new(false),
                watchers: Mutex::new(None),
            });
            node.assume_init()
        }
    }

    /// The node of an op that saves nothing and gives one output.
    pub(crate) fn unsaved(op: &Op, edges: SmallVec<[Edge; 2]>, inputs: &[&Meta], output: &Meta) -> Arc<Node> {
        let operands = edges.into_iter().zip(inputs).map(|(edge, x)| Operand::new(edge, x, output)).collect();
        Self::assemble(op, operands, std::iter::once(output), SmallVec::new())
    }

    /// The node of a view op.
    pub(crate) fn of_view(op: &Op, edge: Edge, input: &Meta, output: &Meta) -> Arc<Node> {
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
        let Operand { edge, meta } = &self.operands[i];
        match edge {
            Edge::Node(node, output) => &node.outputs[*output as usize],
            Edge::Leaf(leaf) => leaf.meta(),
            Edge::None => meta.as_deref().unwrap_or(&self.outputs[0]),
        }
    }

    /// What was saved, for the last backward pass through the node; `None` where an earlier one took it.
    pub(super) fn take_saved(&self) -> Option<SavedTensors> {
        let mut saved = lock(&self.saved);
        match &mut *saved {
            Saved::Kept(list) => {
                let list = std::mem::take(list);
                if !list.is_empty() {
                    *saved = Saved::Freed;
                }
                Some(list)
            }
            Saved::Freed => None,
        }
    }

    /// A saved tensor, which stays for later backward passes, with its history where `with_history`.
    pub(super) fn unpack(self: &Arc<Self>, which: Save, with_history: bool) -> Result<Tensor> {
        let guard = lock(&self.saved);
        let Saved::Kept(saved) = &*guard else { return was_freed() };
        let Some(s) = saved.iter().find(|s| s.which == which) else { return not_saved(which) };
        s.check()?;
        let edge = match which {
            Save::X(i) if with_history => self.operands[i].edge.clone(),
            Save::Y(i) if with_history => Edge::Node(self.clone(), i as u32),
            _ => Edge::None,
        };
        let mut tensor = s.tensor(&self.outputs[0]);
        drop(guard);
        match edge {
            Edge::None => {}
            Edge::Node(node, output) => tensor.begin_history(node, output),
            Edge::Leaf(leaf) if Arc::ptr_eq(leaf.storage(), tensor.storage()) => return Ok(leaf),
            // A copy of a leaf that shares memory with what was overwritten: the same to the graph.
            leaf => {
                let same = Reshape { shape: *tensor.shape() }.into();
                let node = Node::of_view(&same, leaf, tensor.meta(), tensor.meta());
                tensor.begin_history(node, 0);
            }
        }
        Ok(tensor)
    }

    /// A tensor out of what [`take_saved`](Self::take_saved) gave, without history.
    pub(super) fn unpack_from(&self, saved: Option<&mut SavedTensors>, which: Save) -> Result<Tensor> {
        let Some(saved) = saved else { return was_freed() };
        let Some(at) = saved.iter().position(|s| s.which == which) else { return not_saved(which) };
        saved[at].check()?;
        let s = saved.swap_remove(at);
        Ok(s.tensor(&self.outputs[0]))
    }

    pub(crate) fn add_hook(&self, output: u32, id: HookId, hook: Arc<dyn Hook>) {
        self.watched.store(true, Relaxed);
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

    /// Whether anybody ever wanted to see the gradients of the outputs.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
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
        self.watched.store(true, Relaxed);
        let mut watchers = lock(&self.watchers);
        watchers.get_or_insert_default().retained.push((output, tensor));
    }

    /// Forgets a tensor that wanted to keep its gradient.
    pub(crate) fn release_grad(&self, tensor: &Arc<Inner>) {
        if let Some(watchers) = lock(&self.watchers).as_mut() {
            watchers.retained.retain(|(_, t)| t.as_ptr() != Arc::as_ptr(tensor));
        }
    }

    pub(crate) fn retained(&self, output: u32) -> Vec<Tensor> {
        let watchers = lock(&self.watchers);
        let Some(w) = watchers.as_ref() else { return Vec::new() };
        w.retained.iter().filter(|(o, _)| *o == output).filter_map(|(_, t)| t.upgrade().map(Tensor)).collect()
    }
}

/// Edges of nodes being dropped on a thread: a graph of a million nodes is dropped in a loop.
struct Dropping {
    under_way: bool,
    waiting: Vec<Edge>,
}

thread_local! {
    static DROPPING: RefCell<Dropping> =
        const { RefCell::new(Dropping { under_way: false, waiting: Vec::new() }) };
}

/// The queue keeps room for so many.
const ROOM: usize = 64;

impl Drop for Node {
    fn drop(&mut self) {
        // Only what this node is the last to hold can lead further.
        let ends = |edge: &Edge| match edge {
            Edge::None => false,
            Edge::Node(node, _) => Arc::strong_count(node) == 1,
            Edge::Leaf(leaf) => leaf.owners() == 1,
        };
        if !self.operands.iter().any(|operand| ends(&operand.edge)) {
            return;
        }
        let outermost = DROPPING.try_with(|dropping| {
            let mut dropping = dropping.borrow_mut();
            for operand in self.operands.iter_mut().filter(|operand| ends(&operand.edge)) {
                dropping.waiting.push(std::mem::replace(&mut operand.edge, Edge::None));
            }
            !std::mem::replace(&mut dropping.under_way, true)
        });
        if outermost != Ok(true) {
            return;
        }
        loop {
            let next = DROPPING.with(|dropping| {
                let mut dropping = dropping.borrow_mut();
                let next = dropping.waiting.pop();
                if next.is_none() {
                    dropping.under_way = false;
                    dropping.waiting.shrink_to(ROOM);
                }
                next
            });
            // Dropped here, outside of the borrow: its own edges join the queue.
            match next {
                Some(edge) => drop(edge),
                None => return,
            }
        }
    }
}
