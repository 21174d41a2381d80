//! A recorded program, and its replay.
use std::cell::Cell;
use std::sync::Arc;

use retrograd_kernels::Strides;
use smallvec::SmallVec;

use super::places::Places;
use crate::autograd::{Interrupts, Turns};
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::layout::{Layout, Meta};
use crate::ops::{Op, View};
use crate::storage::Storage;
use crate::tensor::Tensor;

/// Where the bytes of a storage of the recording are at replay.
pub(super) enum Slot {
    /// In the argument of that position.
    Argument(usize),
    /// Where they were: parameters, optimizer state, generators, constants.
    Fixed(Arc<Storage>),
    /// In a storage made for each call, which is returned.
    Fresh(usize),
    /// At that offset of the program's own memory.
    Temporary(usize),
}

/// A view of a slot.
pub(super) struct Operand {
    pub(super) slot: u32,
    /// In bytes.
    pub(super) offset: usize,
    pub(super) meta: Meta,
    pub(super) strides: Strides,
}

/// A kernel call: its outputs are the operands from `start`, its inputs those from `inputs_at` to `end`.
pub(super) struct Instruction {
    pub(super) op: Op,
    pub(super) start: usize,
    pub(super) inputs_at: usize,
    pub(super) end: usize,
}

/// A returned tensor.
pub(super) struct Output {
    pub(super) slot: u32,
    pub(super) dtype: DType,
    pub(super) layout: Layout,
}

/// A leaf's `.grad` as the program leaves it.
pub(super) struct GradEffect {
    pub(super) leaf: Tensor,
    pub(super) grad: Option<Tensor>,
}

/// A leaf's `.grad` as the program must find it.
pub(super) struct GradGuard {
    pub(super) leaf: Tensor,
    /// Whether there was one: the function may have asked.
    pub(super) present: bool,
    /// Its storage, where the program works on it.
    pub(super) storage: Option<u64>,
}

impl GradGuard {
    fn holds(&self) -> bool {
        let grad = self.leaf.peek_grad();
        let same = |id| grad.as_ref().is_some_and(|g| g.storage().id() == id);
        grad.is_some() == self.present && self.storage.is_none_or(same)
    }
}

thread_local! {
    /// How many replays are under way on this thread: the handler of a signal may begin another.
    static UNDER_WAY: Cell<u32> = const { Cell::new(0) };
}

struct UnderWay;

impl UnderWay {
    fn begin() -> Self {
        UNDER_WAY.set(UNDER_WAY.get() + 1);
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.set(UNDER_WAY.get() - 1);
    }
}

/// A linear program of kernel calls.
pub struct Program {
    slots: Vec<Slot>,
    places: Places,
    operands: Vec<Operand>,
    instructions: Vec<Instruction>,
    outputs: Vec<Output>,
    /// Slots that are overwritten.
    changed: Vec<u32>,
    effects: Vec<GradEffect>,
    guards: Vec<GradGuard>,
    /// Where each argument began in its storage, in bytes.
    argument_offsets: Vec<usize>,
    epoch: u64,
    /// The temporaries' memory. One replay at a time has it, and those bytes of others that only replays write.
    memory: Arc<Storage>,
    turns: Turns,
}

impl Program {
    #[expect(clippy::too_many_arguments, reason = "each is one field")]
    pub(super) fn new(
        slots: Vec<Slot>,
        places: Places,
        bytes: usize,
        operands: Vec<Operand>,
        instructions: Vec<Instruction>,
        outputs: Vec<Output>,
        changed: Vec<u32>,
        effects: Vec<GradEffect>,
        guards: Vec<GradGuard>,
        argument_offsets: Vec<usize>,
        epoch: u64,
    ) -> Result<Self> {
        Ok(Self {
            slots,
            places,
            operands,
            instructions,
            outputs,
            changed,
            effects,
            guards,
            argument_offsets,
            epoch,
            memory: Storage::new(bytes)?,
            turns: Turns::default(),
        })
    }

    /// Whether the program does with these arguments what the function would: nothing it was recorded under has changed, and
    /// they lie where it may find them.
    pub fn serves(&self, arguments: &[Tensor]) -> bool {
        !self.is_outdated() && self.guards.iter().all(GradGuard::holds) && self.places.allow(arguments)
    }

    /// Whether the structure has changed: the program will never serve again.
    pub fn is_outdated(&self) -> bool {
        self.epoch != super::epoch()
    }

    /// How many kernels it calls.
    pub fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Whether it calls none.
    pub fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }

    /// A line for each kernel call.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        for (i, ins) in self.instructions.iter().enumerate() {
            let names = |range: &[Operand]| {
                let list: Vec<String> =
                    range.iter().map(|o| format!("%{}:{}{}", o.slot, o.meta.dtype, o.meta.shape)).collect();
                list.join(", ")
            };
            let (y, x) = (&self.operands[ins.start..ins.inputs_at], &self.operands[ins.inputs_at..ins.end]);
            text.push_str(&format!("{i:4}  {} = {:?}({})\n", names(y), ins.op, names(x)));
        }
        text
    }

    /// Runs the program on other arguments of the shapes, dtypes and strides it was recorded with.
    pub fn replay(&self, arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        if arguments.len() != self.argument_offsets.len() {
            bail!(
                Value,
                "compile: {} arguments, recorded with {}",
                arguments.len(),
                self.argument_offsets.len()
            );
        }
        let _turn = match self.turns.try_take() {
            Some(turn) => turn,
            None if UNDER_WAY.get() > 0 => bail!(
                Graph,
                "compile: called by a signal's handler in the middle of a replay, which it would wait for; \
                 let the handler set a flag, and look at it between two steps"
            ),
            None => self.turns.take(),
        };
        let _under_way = UnderWay::begin();
        let mut fresh: SmallVec<[Arc<Storage>; 4]> = SmallVec::new();
        let mut fresh_of: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        let mut base: SmallVec<[*mut u8; 64]> = SmallVec::with_capacity(self.slots.len());
        for (i, slot) in self.slots.iter().enumerate() {
            base.push(match slot {
                Slot::Argument(a) => {
                    // Views of the argument were recorded relative to its storage; the present one may begin elsewhere.
                    arguments[*a].ptr().wrapping_sub(self.argument_offsets[*a])
                }
                Slot::Fixed(storage) => storage.ptr(),
                Slot::Fresh(bytes) => {
                    let storage = Storage::new(*bytes)?;
                    let ptr = storage.ptr();
                    fresh_of.push((i, fresh.len()));
                    fresh.push(storage);
                    ptr
                }
                Slot::Temporary(offset) => self.memory.ptr().wrapping_add(*offset),
            });
        }

        // Even where it fails half-way.
        for &slot in &self.changed {
            match &self.slots[slot as usize] {
                Slot::Fixed(storage) => storage.bump(),
                Slot::Argument(a) => arguments[*a].storage().bump(),
                Slot::Fresh(_) | Slot::Temporary(_) => {}
            }
        }
        let mut interrupts = Interrupts::new();
        for ins in &self.instructions {
            let y = views(&self.operands[ins.start..ins.inputs_at], &base);
            let x = views(&self.operands[ins.inputs_at..ins.end], &base);
            ins.op.run(&x, &y).map_err(|e| e.in_op(ins.op.name()))?;
            interrupts.poll()?;
        }

        for effect in &self.effects {
            effect.leaf.put_grad(effect.grad.clone());
        }
        let outputs = self.outputs.iter().map(|o| {
            let slot = o.slot as usize;
            let (storage, layout) = match &self.slots[slot] {
                Slot::Argument(a) => {
                    let argument = &arguments[*a];
                    let moved = argument.offset() as isize
                        - (self.argument_offsets[*a] / argument.dtype().size()) as isize;
                    let offset = (o.layout.offset as isize + moved) as usize;
                    (argument.storage().clone(), Layout { offset, ..o.layout })
                }
                Slot::Fixed(storage) => (storage.clone(), o.layout),
                _ => {
                    let at = fresh_of.iter().find(|(i, _)| *i == slot).map_or(0, |f| f.1);
                    (fresh[at].clone(), o.layout)
                }
            };
            Tensor::from_parts(storage, o.dtype, layout)
        });
        Ok(outputs.collect())
    }
}

/// The operands' views: each slot's bytes hold them, as they did when they were recorded.
fn views<'a>(operands: &'a [Operand], base: &[*mut u8]) -> SmallVec<[View<'a>; 6]> {
    let ptr = |o: &Operand| base[o.slot as usize].wrapping_add(o.offset);
    operands.iter().map(|o| View { ptr: ptr(o), meta: &o.meta, strides: &o.strides }).collect()
}
