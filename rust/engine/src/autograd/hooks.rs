//! Hooks: foreign code that sees, and may replace, a gradient on its way.
use std::any::Any;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use super::node::{Edge, Node};
use crate::error::Result;
use crate::replay;
use crate::tensor::{Inner, Tensor};

/// A function called with a gradient; what it returns replaces it.
pub trait Hook: Send + Sync {
    /// Called with the gradient.
    fn call(&self, grad: &Tensor) -> Result<Option<Tensor>>;
    /// The hook itself, for a garbage collector that knows its type.
    fn as_any(&self) -> &dyn Any;
}

/// Names a hook among those of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HookId(u64);

impl HookId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Relaxed))
    }
}

/// A registered hook, to take it off. It keeps neither tensor nor graph alive, so that a hook may hold it.
pub struct Registered {
    place: Place,
    id: HookId,
}

enum Place {
    Leaf(Weak<Inner>),
    /// Stays where it was when its tensor is overwritten in place and gets another node.
    Node(Weak<Node>),
}

impl Registered {
    pub(crate) fn on_leaf(leaf: &Arc<Inner>, id: HookId) -> Self {
        Self { place: Place::Leaf(Arc::downgrade(leaf)), id }
    }

    pub(crate) fn on_node(node: &Arc<Node>, id: HookId) -> Self {
        Self { place: Place::Node(Arc::downgrade(node)), id }
    }

    /// Takes the hook off; a second time does nothing.
    pub fn remove(&self) {
        replay::structure_changed();
        match &self.place {
            Place::Leaf(leaf) => {
                if let Some(leaf) = leaf.upgrade() {
                    Tensor(leaf).remove_leaf_hook(self.id);
                }
            }
            Place::Node(node) => {
                if let Some(node) = node.upgrade() {
                    node.remove_hook(self.id);
                }
            }
        }
    }
}

/// How many hooks exist: where none does, a garbage collector need not look at graphs.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Whether any hook exists.
pub(crate) fn hooks_alive() -> bool {
    ALIVE.load(Relaxed) > 0
}

struct Counted(Arc<dyn Hook>);

impl Counted {
    fn new(hook: Arc<dyn Hook>) -> Self {
        ALIVE.fetch_add(1, Relaxed);
        Self(hook)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
    }
}

/// The hooks of one tensor, in the order they were registered.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<(HookId, Arc<Counted>)>);

/// A hook taken off, to be dropped outside of any lock.
pub(crate) struct Removed(#[expect(dead_code, reason = "held for its drop")] Arc<Counted>);

impl Hooks {
    pub(crate) fn add(&mut self, id: HookId, hook: Arc<dyn Hook>) {
        self.0.push((id, Arc::new(Counted::new(hook))));
    }

    pub(crate) fn remove(&mut self, id: HookId) -> Option<Removed> {
        let at = self.0.iter().position(|(i, _)| *i == id)?;
        Some(Removed(self.0.remove(at).1))
    }

    /// The gradient after all hooks.
    pub(crate) fn run(&self, mut grad: Tensor) -> Result<Tensor> {
        for (_, hook) in &self.0 {
            if let Some(replaced) = hook.0.call(&grad)? {
                grad = replaced;
            }
        }
        Ok(grad)
    }

    fn visit(&self, visit: &mut dyn FnMut(&dyn Hook)) {
        for (_, hook) in &self.0 {
            visit(&*hook.0);
        }
    }
}

/// Visits the hooks that live only as long as `root` does: its own, and those of the nodes and leaves
/// that nothing but `root`'s graph refers to.
pub(crate) fn visit_owned(root: &Tensor, visit: &mut dyn FnMut(&dyn Hook)) {
    enum Item {
        Tensor(Tensor),
        Node(Arc<Node>),
    }
    // Each handle cloned for the stack adds one owner.
    let mut stack = Vec::new();
    if root.owners() == 1 {
        stack.push((Item::Tensor(root.clone()), 2));
    }
    while let Some((item, expected)) = stack.pop() {
        match item {
            Item::Tensor(tensor) => {
                if tensor.owners() != expected {
                    continue;
                }
                let Some(held) = tensor.try_held() else { continue };
                if let Some(hooks) = held.hooks {
                    hooks.visit(visit);
                }
                if let Some(node) = held.node {
                    stack.push((Item::Node(node), 2));
                }
                if let Some(grad) = held.grad {
                    stack.push((Item::Tensor(grad), 2));
                }
            }
            Item::Node(node) => {
                if Arc::strong_count(&node) != expected {
                    continue;
                }
                let Some(hooks) = node.all_hooks() else { continue };
                for hooks in hooks {
                    hooks.visit(visit);
                }
                for edge in node.edges() {
                    match edge {
                        Edge::Node(next, _) => stack.push((Item::Node(next.clone()), 2)),
                        Edge::Leaf(leaf) => stack.push((Item::Tensor(leaf.clone()), 2)),
                        Edge::None => {}
                    }
                }
            }
        }
    }
}
