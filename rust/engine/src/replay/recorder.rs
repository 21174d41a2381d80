//! Recording: what a function does is written down as it runs.
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::places::Places;
use super::plan::{Life, plan};
use super::program::{GradEffect, GradGuard, Instruction, Operand, Output, Program, Slot};
use crate::error::{Result, bail};
use crate::mode;
use crate::ops::Op;
use crate::ops::memory::CopyInto;
use crate::storage::Storage;
use crate::tensor::Tensor;

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// A storage the recording has met.
struct Seen {
    storage: Weak<Storage>,
    /// Held where the program will need these very bytes.
    kept: Option<Arc<Storage>>,
    bytes: usize,
    input: Option<usize>,
    /// What the host filled it with, where the function made it.
    constant: Option<Tensor>,
    /// Whether the function made it of memory that is not ours.
    shared: bool,
    first: usize,
    last: usize,
    written: bool,
}

impl Seen {
    fn is(&self, storage: &Arc<Storage>) -> bool {
        std::ptr::eq(self.storage.as_ptr(), Arc::as_ptr(storage))
    }
}

/// How a leaf's `.grad` was used first.
struct GradUse {
    leaf: Tensor,
    /// The gradient it had when it was looked at before being replaced.
    guard: Option<Option<u64>>,
    written: bool,
}

struct Recorder {
    /// Storages with smaller ids existed before.
    first_id: u64,
    seen: Vec<Seen>,
    by_id: HashMap<u64, usize>,
    operands: Vec<Operand>,
    instructions: Vec<Instruction>,
    grads: Vec<GradUse>,
    epoch: u64,
}

impl Recorder {
    fn slot(&mut self, tensor: &Tensor, written: bool) -> u32 {
        let step = self.instructions.len();
        let storage = tensor.storage();
        let slot = match self.by_id.get(&storage.id()) {
            Some(&slot) => slot,
            None => {
                let existed_before = storage.id() < self.first_id;
                // A storage that is read before anything was written to it holds values from the host.
                let kept = (existed_before || !written).then(|| storage.clone());
                self.meet(storage, kept)
            }
        };
        let seen = &mut self.seen[slot];
        seen.last = step;
        seen.written |= written;
        slot as u32
    }

    /// The slot of a storage not met before.
    fn meet(&mut self, storage: &Arc<Storage>, kept: Option<Arc<Storage>>) -> usize {
        let step = self.instructions.len();
        self.seen.push(Seen {
            storage: Arc::downgrade(storage),
            kept,
            bytes: storage.bytes(),
            input: None,
            constant: None,
            shared: false,
            first: step,
            last: step,
            written: false,
        });
        self.by_id.insert(storage.id(), self.seen.len() - 1);
        self.seen.len() - 1
    }

    fn operand(&mut self, tensor: &Tensor, written: bool) {
        let slot = self.slot(tensor, written);
        self.operands.push(Operand {
            slot,
            offset: tensor.offset() * tensor.dtype().size(),
            meta: *tensor.meta(),
            strides: *tensor.strides(),
        });
    }

    /// Has constants that are overwritten, or that others hold now, made anew at the beginning of each call.
    fn remake_constants(&mut self, effects: &[GradEffect]) {
        let mut first = Vec::new();
        for slot in 0..self.seen.len() {
            let seen = &mut self.seen[slot];
            let Some(constant) = seen.constant.take() else { continue };
            let is_grad = effects.iter().any(|e| e.grad.as_ref().is_some_and(|g| seen.is(g.storage())));
            let is_held = seen.kept.as_ref().is_some_and(|kept| Arc::strong_count(kept) > 1);
            if !(seen.written || is_held) {
                continue;
            }
            // A gradient stays where it is; a result is new.
            seen.kept = seen.kept.take().filter(|_| is_grad);
            (seen.written, seen.first) = (true, 0);
            let start = self.operands.len();
            for slot in [slot, slot, self.meet(constant.storage(), Some(constant.storage().clone()))] {
                let (meta, strides) = (*constant.meta(), *constant.strides());
                self.operands.push(Operand { slot: slot as u32, offset: 0, meta, strides });
            }
            let (op, end) = (CopyInto {}.into(), self.operands.len());
            first.push(Instruction { op, start, inputs_at: start + 1, end });
        }
        self.instructions.splice(0..0, first);
    }

    fn record(&mut self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) {
        let info = op.info();
        // Outputs are met first, so that one given as an operand for its shape alone is not taken for read.
        let start = self.operands.len();
        for y in outputs {
            self.operand(y, true);
        }
        let inputs_at = self.operands.len();
        let per_list = if info.variadic { inputs.len() / info.operands.len() } else { 1 };
        for (i, x) in inputs.iter().enumerate() {
            // What is there for its shape alone is not read.
            let x = if info.fills && i == 0 { &outputs[0] } else { x };
            let mutated = info.mutates.contains(&(i / per_list.max(1)));
            self.operand(x, mutated);
        }
        self.instructions.push(Instruction { op: *op, start, inputs_at, end: self.operands.len() });
    }

    fn grad_use(&mut self, leaf: &Tensor) -> Option<&mut GradUse> {
        self.grads.iter_mut().find(|g| g.leaf.is(leaf))
    }
}

/// Whether this thread is recording.
#[inline]
pub(crate) fn recording() -> bool {
    mode::mode().recording
}

fn with_recorder<R>(f: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    if !recording() {
        return None;
    }
    RECORDER.with(|r| r.borrow_mut().as_mut().map(f))
}

/// Writes down a kernel call.
pub(crate) fn record(op: &Op, inputs: &[&Tensor], outputs: &[Tensor]) {
    with_recorder(|r| r.record(op, inputs, outputs));
}

/// A leaf's gradient was looked at.
pub(crate) fn note_grad_read(leaf: &Tensor, grad: Option<&Tensor>) {
    with_recorder(|r| {
        if r.grad_use(leaf).is_none() {
            let guard = Some(grad.map(|g| g.storage().id()));
            r.grads.push(GradUse { leaf: leaf.clone(), guard, written: false });
        }
    });
}

/// A leaf's gradient is about to be replaced.
pub(crate) fn note_grad_write(leaf: &Tensor) {
    with_recorder(|r| match r.grad_use(leaf) {
        Some(grad) => grad.written = true,
        None => r.grads.push(GradUse { leaf: leaf.clone(), guard: None, written: true }),
    });
}

/// The host has filled a fresh tensor: what it holds is kept, since a step may overwrite the tensor itself, or return it.
pub(crate) fn note_constant(tensor: &Tensor) -> Result<()> {
    if !recording() {
        return Ok(());
    }
    let copy = Tensor::empty(*tensor.shape(), tensor.dtype())?;
    // SAFETY: both are contiguous and of one size; the copy is nobody else's yet.
    unsafe { copy.ptr().copy_from_nonoverlapping(tensor.ptr(), tensor.numel() * tensor.dtype().size()) };
    with_recorder(|r| {
        let slot = r.slot(tensor, false) as usize;
        r.seen[slot].constant = Some(copy);
    });
    Ok(())
}

/// A tensor was made of memory that is not ours, such as a NumPy array's.
pub fn note_shared(tensor: &Tensor) {
    with_recorder(|r| {
        let slot = r.slot(tensor, false) as usize;
        r.seen[slot].shared = true;
    });
}

/// Fails where the value would be baked into the recording.
pub(crate) fn check_host_read(tensor: &Tensor) -> Result<()> {
    let baked = with_recorder(|r| {
        let id = tensor.storage().id();
        let changes = |seen: &Seen| seen.written || seen.input.is_some();
        id < r.first_id || r.by_id.get(&id).is_some_and(|&slot| changes(&r.seen[slot]))
    });
    if baked == Some(true) {
        bail!(
            Graph,
            "a tensor's value is read inside a compiled step, where it would be fixed for all later calls; \
             return the tensor from the step and read it outside"
        );
    }
    Ok(())
}

/// Fails where a replay would not repeat what the host is about to change.
pub(crate) fn check_host_write(what: &str) -> Result<()> {
    if recording() {
        bail!(Graph, "{what} inside a compiled step happens only once, not in later calls; do it outside");
    }
    Ok(())
}

/// A recording under way on this thread; dropped, it is abandoned.
pub struct Recording {
    given: Vec<Tensor>,
    /// The same, as the function gets them.
    arguments: Vec<Tensor>,
}

impl Recording {
    /// Starts to record. Fails where a recording is under way.
    pub fn start(given: &[Tensor]) -> Result<Self> {
        if recording() {
            bail!(Graph, "a recording is already under way on this thread");
        }
        // The probe's id parts what exists now from what comes.
        let first_id = Storage::new(0)?.id();
        let mut recorder = Recorder {
            first_id,
            seen: Vec::new(),
            by_id: HashMap::new(),
            operands: Vec::new(),
            instructions: Vec::new(),
            grads: Vec::new(),
            epoch: super::epoch(),
        };
        let mut arguments = Vec::new();
        for (i, argument) in given.iter().enumerate() {
            if argument.requires_grad() {
                bail!(
                    Unsupported,
                    "compile: an argument that requires a gradient is not supported; use parameters of the enclosing scope"
                );
            }
            // Under an id of its own: other tensors on the same memory are not the argument.
            let storage = Storage::masked(argument.storage());
            let slot = recorder.meet(&storage, None);
            recorder.seen[slot].input = Some(i);
            arguments.push(Tensor::from_parts(storage, argument.dtype(), argument.layout()));
        }
        RECORDER.with(|r| *r.borrow_mut() = Some(recorder));
        mode::change(|m| m.recording = true);
        Ok(Self { given: given.to_vec(), arguments })
    }

    /// What to give to the function.
    pub fn arguments(&self) -> &[Tensor] {
        &self.arguments
    }

    /// Whether a recording is under way on this thread.
    pub fn active() -> bool {
        recording()
    }

    /// Ends the recording. `outputs` are what a replay returns; their graphs must be gone. Those that are an argument, or a view
    /// of one, become so of what was given.
    pub fn finish(self, outputs: &mut [Tensor]) -> Result<Program> {
        mode::change(|m| m.recording = false);
        let Some(mut r) = RECORDER.with(|r| r.borrow_mut().take()) else {
            bail!(Graph, "compile: the recording was lost");
        };

        if self.arguments.iter().any(Tensor::requires_grad) {
            bail!(
                Unsupported,
                "compile: an argument is made to require a gradient; use a .detach() of it that requires one"
            );
        }
        // Which gradients were operands is asked before the present ones are given slots below.
        let uses = std::mem::take(&mut r.grads);
        let guards = uses.iter().filter_map(|grad| {
            let found = grad.guard?;
            let storage = found.filter(|id| r.by_id.contains_key(id));
            Some(GradGuard { leaf: grad.leaf.clone(), present: found.is_some(), storage })
        });
        let guards: Vec<GradGuard> = guards.collect();
        let mut effects = Vec::new();
        for grad in uses {
            if grad.written {
                let value = grad.leaf.peek_grad();
                if let Some(g) = &value {
                    let slot = r.slot(g, false) as usize;
                    if r.seen[slot].input.is_some() {
                        bail!(
                            Unsupported,
                            "compile: an argument becomes a gradient; assign a .clone() of it"
                        );
                    }
                    r.seen[slot].kept = Some(g.storage().clone());
                }
                effects.push(GradEffect { leaf: grad.leaf, grad: value });
            }
        }

        let mut results = Vec::new();
        for y in outputs {
            let slot = r.slot(y, false);
            results.push(Output { slot, dtype: y.dtype(), layout: y.layout() });
            if let Some(i) = r.seen[slot as usize].input {
                *y = Tensor::from_parts(self.given[i].storage().clone(), y.dtype(), y.layout());
            }
        }
        r.remake_constants(&effects);

        let mut slots = Vec::new();
        let mut lives = Vec::new();
        let mut changed = Vec::new();
        for (i, mut seen) in r.seen.into_iter().enumerate() {
            let is_output = results.iter().any(|o| o.slot as usize == i);
            // A temporary that somebody still holds keeps its bytes: what they see is what a replay writes.
            if seen.kept.is_none() && !is_output && seen.input.is_none() {
                seen.kept = seen.storage.upgrade();
            }
            if seen.written {
                if seen.shared {
                    bail!(
                        Unsupported,
                        "compile: the step writes into an array that it shares with NumPy itself; \
                         share it outside, or make it a tensor of its own with retrograd.tensor()"
                    );
                }
                changed.push(i as u32);
            }
            slots.push(match (seen.input, seen.kept) {
                (Some(argument), _) => Slot::Argument(argument),
                (None, Some(storage)) => Slot::Fixed(storage),
                (None, None) if is_output => Slot::Fresh(seen.bytes),
                (None, None) => {
                    lives.push(Life { bytes: seen.bytes, first: seen.first, last: seen.last });
                    Slot::Temporary(lives.len() - 1)
                }
            });
        }
        let (offsets, bytes) = plan(&lives);
        for slot in &mut slots {
            if let Slot::Temporary(at) = slot {
                *at = offsets[*at];
            }
        }
        let places = Places::new(&slots, &changed, &self.given);
        Program::new(
            slots,
            places,
            bytes,
            r.operands,
            r.instructions,
            results,
            changed,
            effects,
            guards,
            self.given.iter().map(|a| a.offset() * a.dtype().size()).collect(),
            r.epoch,
        )
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if recording() {
            mode::change(|m| m.recording = false);
            let abandoned = RECORDER.with(|r| r.borrow_mut().take());
            drop(abandoned);
        }
    }
}
