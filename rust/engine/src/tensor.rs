//! A tensor: a typed view of a storage, with its place in the autograd graph.
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retrograd_kernels::{Shape, Strides};

use crate::autograd::{Edge, Hook, HookId, Hooks, Node, Registered, Turns};
use crate::dtype::{DType, Element};
use crate::error::{Result, bail};
use crate::layout::{Layout, Meta, is_contiguous, overlaps_itself, row_major};
use crate::replay;
use crate::storage::Storage;
use crate::view::ViewOf;
use crate::vmap::Batched;

/// A handle to a tensor; clones are the same tensor.
#[derive(Clone)]
pub struct Tensor(pub(crate) Arc<Inner>);

/// What a [`Tensor`] points to.
pub struct Inner {
    storage: Arc<Storage>,
    meta: Meta,
    strides: Strides,
    offset: usize,
    contiguous: bool,
    batched: Option<Box<Batched>>,
    needs_grad: AtomicBool,
    /// Whether it was computed: of a leaf, nobody need look into the state for its history.
    has_history: AtomicBool,
    is_view: AtomicBool,
    /// How often the history of this tensor was rewritten through an in-place op.
    rewritten: AtomicU32,
    grad_turns: Turns,
    state: Mutex<State>,
    /// The live Python object of this tensor, if there is one; owned by the binding.
    wrapper: AtomicPtr<()>,
}

/// The part of a tensor that autograd changes.
#[derive(Default)]
pub(crate) struct State {
    /// The node that computed it, and which of its outputs it is.
    history: Option<(Arc<Node>, u32)>,
    grad: Option<Tensor>,
    hooks: Option<Box<Hooks>>,
    /// Whether the gradient is kept though this is no leaf: asked of the node in `history`, whichever that is.
    retains_grad: bool,
    view: Option<ViewOf>,
    /// The base's `rewritten` that `history` is true for, where this is a view.
    seen: u32,
}

/// What a tensor holds besides its memory.
pub(crate) struct Held {
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) hooks: Option<Hooks>,
    pub(crate) grad: Option<Tensor>,
}

impl Tensor {
    /// A tensor over a storage, without history.
    pub fn from_parts(storage: Arc<Storage>, dtype: DType, layout: Layout) -> Self {
        Self::build(storage, dtype, layout, None)
    }

    pub(crate) fn build(
        storage: Arc<Storage>,
        dtype: DType,
        layout: Layout,
        batched: Option<Box<Batched>>,
    ) -> Self {
        let contiguous = is_contiguous(&layout.shape, &layout.strides);
        let meta = Meta::new(layout.shape, dtype);
        Self::assemble(storage, meta, &layout.strides, layout.offset, contiguous, batched)
    }

    // Always: every operation makes its result so.
    #[inline(always)]
    fn assemble(
        storage: Arc<Storage>,
        meta: Meta,
        strides: &Strides,
        offset: usize,
        contiguous: bool,
        batched: Option<Box<Batched>>,
    ) -> Self {
        // Memory first: so the value is built where it stays.
        let inner = Arc::<Inner>::new_uninit();
        let place = Arc::as_ptr(&inner).cast::<Inner>().cast_mut();
        // SAFETY: the memory is fresh and nobody else has it.
        unsafe {
            place.write(Inner {
                storage,
                meta,
                strides: *strides,
                offset,
                contiguous,
                needs_grad: AtomicBool::new(batched.as_ref().is_some_and(|b| b.physical.requires_grad())),
                has_history: AtomicBool::new(false),
                batched,
                is_view: AtomicBool::new(false),
                rewritten: AtomicU32::new(0),
                grad_turns: Turns::default(),
                state: Mutex::default(),
                wrapper: AtomicPtr::new(std::ptr::null_mut()),
            });
            Self(inner.assume_init())
        }
    }

    /// A contiguous tensor over a part of a storage, without history.
    pub(crate) fn contiguous_at(storage: Arc<Storage>, meta: Meta, offset: usize) -> Self {
        Self::assemble(storage, meta, &meta.shape.contiguous_strides(), offset, true, None)
    }

    /// A contiguous tensor with arbitrary contents.
    pub fn empty(shape: Shape, dtype: DType) -> Result<Self> {
        let (strides, bytes) = row_major(&shape, dtype)?;
        Ok(Self::assemble(Storage::new(bytes)?, Meta::new(shape, dtype), &strides, 0, true, None))
    }

    /// A tensor with arbitrary contents whose elements lie in another order than row-major, side by side all the same.
    pub(crate) fn empty_lying(meta: &Meta, strides: Strides) -> Result<Self> {
        let (_, bytes) = row_major(&meta.shape, meta.dtype)?;
        Ok(Self::assemble(Storage::new(bytes)?, *meta, &strides, 0, false, None))
    }

    /// A contiguous tensor of host values.
    pub fn from_slice<T: Element>(values: &[T], shape: Shape) -> Result<Self> {
        if shape.checked_numel() != Some(values.len()) {
            bail!(Value, "{} values do not fill the shape {shape}", values.len());
        }
        let tensor = Self::empty(shape, T::DTYPE)?;
        // SAFETY: the storage is fresh and holds exactly as many elements of that type.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), tensor.ptr().cast(), values.len()) };
        replay::note_constant(&tensor)?;
        Ok(tensor)
    }

    /// A tensor of no dimensions.
    pub fn scalar(value: f64, dtype: DType) -> Result<Self> {
        let tensor = Self::empty(Shape::new(), dtype)?;
        // SAFETY: a fresh tensor of one element of that dtype.
        unsafe { crate::host::write(tensor.ptr(), dtype, value) };
        replay::note_constant(&tensor)?;
        Ok(tensor)
    }

    /// Another tensor over the same memory, outside the graph.
    pub fn detach(&self) -> Self {
        Self::build(self.0.storage.clone(), self.dtype(), self.layout(), self.0.batched.clone())
    }

    /// As [`detach`](Self::detach); writing to it does not count as a change of this tensor.
    pub fn unwatched(&self) -> Self {
        let alias = Storage::alias(&self.0.storage);
        Self::build(alias, self.dtype(), self.layout(), self.0.batched.clone())
    }

    /// The storage.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.0.storage
    }
    /// Shape and dtype.
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }
    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.0.meta.shape
    }
    /// The strides, in elements.
    pub fn strides(&self) -> &Strides {
        &self.0.strides
    }
    /// The first element's position in the storage.
    pub fn offset(&self) -> usize {
        self.0.offset
    }
    /// Shape, strides and offset.
    pub fn layout(&self) -> Layout {
        Layout { shape: *self.shape(), strides: *self.strides(), offset: self.0.offset }
    }
    /// The element type.
    pub fn dtype(&self) -> DType {
        self.0.meta.dtype
    }
    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }
    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape().numel()
    }
    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.0.contiguous
    }
    /// Whether some element is reached by two indices: such a tensor cannot be written.
    pub(crate) fn overlaps_itself(&self) -> bool {
        !self.is_contiguous() && overlaps_itself(self.shape(), self.strides())
    }
    /// The first element's address.
    pub fn ptr(&self) -> *mut u8 {
        // SAFETY: the offset lies within the storage, or the tensor is empty and it is never read.
        unsafe { self.0.storage.ptr().add(self.0.offset * self.dtype().size()) }
    }
    /// The addresses between which its elements lie.
    pub(crate) fn addresses(&self) -> Range<usize> {
        let (size, storage) = (self.dtype().size(), self.0.storage.ptr() as usize);
        let (first, end) = if self.is_contiguous() {
            (self.0.offset, self.0.offset + self.numel())
        } else {
            self.layout().span()
        };
        storage + first * size..storage + end * size
    }
    /// Whether elements of the two may share memory.
    pub(crate) fn meets(&self, other: &Tensor) -> bool {
        let (a, b) = (self.addresses(), other.addresses());
        a.start < b.end && b.start < a.end
    }
    /// Whether the two have the same elements of memory, each in the same place.
    pub(crate) fn lies_as(&self, other: &Tensor) -> bool {
        self.ptr() == other.ptr() && self.meta() == other.meta() && self.strides() == other.strides()
    }
    /// Whether the two are one tensor.
    pub fn is(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// How many handles there are; one means nobody else can see the tensor.
    pub fn owners(&self) -> usize {
        Arc::strong_count(&self.0)
    }
    /// Where the binding keeps the live Python object.
    pub fn wrapper(&self) -> &AtomicPtr<()> {
        &self.0.wrapper
    }
    /// Whether nobody else holds this tensor or sees its memory: it may be overwritten.
    pub(crate) fn is_exclusive(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && Arc::strong_count(&self.0.storage) == 1 && self.0.storage.is_own()
    }
    pub(crate) fn batched(&self) -> Option<&Batched> {
        self.0.batched.as_deref()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics half-way through a change.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The graph.

    /// Whether gradients flow into this tensor.
    #[inline]
    pub fn requires_grad(&self) -> bool {
        self.refresh();
        self.0.needs_grad.load(Relaxed)
    }

    /// Whether it was made by the user rather than computed from what requires a gradient.
    pub fn is_leaf(&self) -> bool {
        self.refresh();
        !self.0.has_history.load(Relaxed)
    }

    /// Makes a leaf require a gradient, or no longer.
    pub fn set_requires_grad(&self, on: bool) -> Result<()> {
        if on && !self.dtype().is_float() {
            bail!(Graph, "only floating-point tensors can require gradients, not {}", self.dtype());
        }
        self.refresh();
        let mut state = self.state();
        if state.history.is_some() {
            if on {
                return Ok(());
            }
            bail!(Graph, "requires_grad can only be turned off for leaves; use .detach() to get one");
        }
        if on {
            // A leaf stands at the edge of the graph, so no base decides over its history.
            state.view = None;
            self.0.is_view.store(false, Relaxed);
        }
        drop(state);
        if self.0.needs_grad.swap(on, Relaxed) != on {
            replay::structure_changed();
        }
        Ok(())
    }

    /// The node that computed this tensor and the number of the output.
    pub fn history(&self) -> Option<(Arc<Node>, u32)> {
        self.refresh();
        self.state().history.clone()
    }

    pub(crate) fn set_history(&self, node: Arc<Node>, output: u32) {
        let (old, keeper) = {
            let mut state = self.state();
            self.0.needs_grad.store(true, Relaxed);
            self.0.has_history.store(true, Relaxed);
            let keeper = state.retains_grad.then(|| node.clone());
            (state.history.replace((node, output)), keeper)
        };
        if let Some(keeper) = keeper {
            if let Some((old, _)) = &old {
                old.release_grad(&self.0);
            }
            keeper.retain_grad(output, Arc::downgrade(&self.0));
        }
        drop(old);
    }

    /// Gives a tensor that nobody else knows yet its history.
    pub(crate) fn begin_history(&mut self, node: Arc<Node>, output: u32) {
        match Arc::get_mut(&mut self.0) {
            Some(inner) => {
                *inner.needs_grad.get_mut() = true;
                *inner.has_history.get_mut() = true;
                let state = inner.state.get_mut().unwrap_or_else(PoisonError::into_inner);
                state.history = Some((node, output));
            }
            None => self.set_history(node, output),
        }
    }

    /// Replaces the history after the contents were overwritten in place.
    pub(crate) fn rewrite_history(&self, node: Arc<Node>, output: u32) {
        self.set_history(node, output);
        self.0.rewritten.fetch_add(1, Relaxed);
    }

    /// Where gradients of this tensor go.
    pub(crate) fn edge(&self) -> Edge {
        if !self.requires_grad() {
            return Edge::None;
        }
        if self.0.has_history.load(Relaxed)
            && let Some((node, output)) = &self.state().history
        {
            return Edge::Node(node.clone(), *output);
        }
        Edge::Leaf(self.clone())
    }

    pub(crate) fn set_view(&self, view: ViewOf) {
        self.0.is_view.store(true, Relaxed);
        let mut state = self.state();
        state.seen = view.base.0.rewritten.load(Relaxed);
        state.view = Some(view);
    }

    /// The base this is a differentiable view of.
    pub(crate) fn view_of(&self) -> Option<ViewOf> {
        if !self.0.is_view.load(Relaxed) {
            return None;
        }
        self.state().view.clone()
    }

    /// Brings the history of a view up to date with what was done to its base in place.
    #[inline]
    fn refresh(&self) {
        if self.0.is_view.load(Relaxed) {
            self.follow_base();
        }
    }

    fn follow_base(&self) {
        let view = {
            let mut state = self.state();
            let Some(view) = &state.view else { return };
            let rewritten = view.base.0.rewritten.load(Relaxed);
            if state.seen == rewritten {
                return;
            }
            let view = view.clone();
            state.seen = rewritten;
            view
        };
        if let Some(node) = view.history_from_base(self.meta()) {
            self.set_history(node, 0);
        }
    }

    // The gradient.

    /// The accumulated gradient.
    pub fn grad(&self) -> Option<Tensor> {
        let grad = self.state().grad.clone();
        replay::note_grad_read(self, grad.as_ref());
        grad
    }

    /// Replaces the accumulated gradient.
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(g) = &grad {
            if g.shape() != self.shape() {
                bail!(
                    Value,
                    "a gradient of shape {} does not fit a tensor of shape {}",
                    g.shape(),
                    self.shape()
                );
            }
            if g.dtype() != self.dtype() {
                bail!(
                    DType,
                    "a gradient of dtype {} does not fit a tensor of dtype {}",
                    g.dtype(),
                    self.dtype()
                );
            }
        }
        replay::note_grad_write(self);
        self.put_grad(grad);
        Ok(())
    }

    /// Who adds to the gradient, which takes more than one step.
    pub(crate) fn grad_turns(&self) -> &Turns {
        &self.0.grad_turns
    }

    pub(crate) fn put_grad(&self, grad: Option<Tensor>) {
        let old = std::mem::replace(&mut self.state().grad, grad);
        drop(old);
    }

    /// The gradient without telling a recording.
    pub(crate) fn peek_grad(&self) -> Option<Tensor> {
        self.state().grad.clone()
    }

    /// Calls `hook` with each gradient computed for this tensor.
    pub fn register_hook(&self, hook: Arc<dyn Hook>) -> Result<Registered> {
        if !self.requires_grad() {
            bail!(Graph, "cannot register a hook on a tensor that does not require a gradient");
        }
        replay::structure_changed();
        let id = HookId::next();
        Ok(match self.history() {
            Some((node, output)) => {
                node.add_hook(output, id, hook);
                Registered::on_node(&node, id)
            }
            None => {
                self.state().hooks.get_or_insert_default().add(id, hook);
                Registered::on_leaf(&self.0, id)
            }
        })
    }

    pub(crate) fn remove_leaf_hook(&self, id: HookId) {
        let removed = self.state().hooks.as_mut().and_then(|hooks| hooks.remove(id));
        drop(removed);
    }

    pub(crate) fn leaf_hooks(&self) -> Option<Hooks> {
        // Mostly there is no hook in the whole process.
        if crate::autograd::hooks_alive() { self.state().hooks.as_deref().cloned() } else { None }
    }

    /// Keeps the gradient of a tensor that is not a leaf.
    pub fn retain_grad(&self) -> Result<()> {
        if !self.requires_grad() {
            bail!(Graph, "cannot retain the gradient of a tensor that does not require one");
        }
        if let Some((node, output)) = self.history()
            && !std::mem::replace(&mut self.state().retains_grad, true)
        {
            node.retain_grad(output, Arc::downgrade(&self.0));
        }
        Ok(())
    }

    /// Takes a wish to keep the gradient along after the base's history was rewritten through this view.
    pub(crate) fn move_retained(&self) {
        let retains_grad = self.state().retains_grad;
        if retains_grad {
            self.refresh();
        }
    }

    /// Visits what only this handle keeps alive and can hold foreign objects: hooks, and the nodes behind.
    /// Gives up, visiting nothing, where a lock is held. For garbage collectors.
    pub fn visit_foreign(&self, visit: &mut dyn FnMut(&dyn Hook)) {
        if crate::autograd::hooks_alive() {
            crate::autograd::visit_owned(self, visit);
        }
    }

    /// What the tensor holds, unless a lock is held.
    pub(crate) fn try_held(&self) -> Option<Held> {
        let state = self.0.state.try_lock().ok()?;
        Some(Held {
            node: state.history.as_ref().map(|(node, _)| node.clone()),
            hooks: state.hooks.as_deref().cloned(),
            grad: state.grad.clone(),
        })
    }

    /// Drops the hooks that only this handle keeps alive, so that cycles through them end.
    pub fn clear_foreign(&self) {
        if self.owners() == 1 {
            let old = std::mem::take(&mut *self.state());
            self.0.has_history.store(false, Relaxed);
            drop(old);
        }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({} {})", self.dtype(), self.shape())
    }
}
