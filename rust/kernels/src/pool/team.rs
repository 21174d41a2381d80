//! The workers and the region they share.
use super::{cut, fork, size};
use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an idle worker spins before it sleeps: long enough to bridge the gap between two ops of a
/// training loop, short enough to burn nothing.
const WORKER_SPINS: Duration = Duration::from_micros(150);
/// How long a caller whose last tasks run elsewhere spins before it sleeps: there is work left, so longer.
const CALLER_SPINS: Duration = Duration::from_millis(1);
/// Looks at the clock once in so many pauses.
const PAUSES: usize = 32;

/// The team of this process; null before the first region and after a fork.
static TEAM: AtomicPtr<Team> = AtomicPtr::new(std::ptr::null_mut());
static TASKS_BY_WORKERS: AtomicU64 = AtomicU64::new(0);

/// The most stretches tasks are claimed from. Of more threads some begin with the same one.
const MAX_STRETCHES: usize = 64;

/// What one region is: who is in it is told by `Gate`.
struct Region {
    /// Valid while someone is inside the gate, which the caller who owns the closure waits for.
    task: *const (dyn Fn(usize) + Sync),
    tasks: usize,
    /// How many stretches the tasks are cut into: one a thread.
    stretches: usize,
}

impl Region {
    /// Where a thread begins, the caller being thread 0: with a stretch that is not the caller's, if there are more workers than this
    /// region asks for.
    fn own_stretch(&self, thread: usize) -> usize {
        match thread {
            0 => 0,
            _ => 1 + (thread - 1) % (self.stretches - 1).max(1),
        }
    }

    /// The first task of a stretch, and the end of the one before.
    fn cut(&self, stretch: usize) -> usize {
        cut(self.tasks, self.stretches, stretch)
    }
}

/// A word that says which region is open and who is in it.
///
/// Bits 0..15: workers inside. Bit 15: the caller sleeps until they are out.
/// Bits 16..32: workers that may still enter. Bits 32..64: the number of the region.
#[repr(align(128))]
struct Gate(AtomicU64);

const INSIDE: u64 = (1 << 15) - 1;
const CALLER_SLEEPS: u64 = 1 << 15;
const ONE_SLOT: u64 = 1 << 16;
const SLOTS: u64 = 0xffff << 16;

fn number(gate: u64) -> u32 {
    (gate >> 32) as u32
}

/// Its own cache line: every claim writes it.
#[repr(align(128))]
struct Counter(AtomicUsize);

/// Threads, and the region they work on. Never freed: workers may look at it at any time, even while the
/// process exits, and a child of `fork` just leaves its parent's behind.
pub(super) struct Team {
    gate: Gate,
    /// The next task of each stretch.
    next: [Counter; MAX_STRETCHES],
    region: UnsafeCell<Region>,
    /// The right to open a region.
    busy: AtomicBool,
    sleepers: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Workers made so far; only the holder of `busy` hires.
    hired: AtomicUsize,
    /// Guards going to sleep.
    bed: Mutex<()>,
    region_opened: Condvar,
    workers_left: Condvar,
}

// SAFETY: `region` is written only by the holder of `busy` while the gate is shut and nobody is inside,
// and read only inside; everything else is atomic or behind a lock.
unsafe impl Sync for Team {}

/// The team of this process, made when first needed.
pub(super) fn current() -> &'static Team {
    let mut team = TEAM.load(Ordering::Acquire);
    if team.is_null() {
        team = found();
    }
    // SAFETY: a published team is never freed.
    unsafe { &*team }
}

#[cold]
fn found() -> *mut Team {
    fork::watch();
    let new = Box::into_raw(Box::new(Team::new()));
    match TEAM.compare_exchange(std::ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => new,
        Err(other) => {
            // SAFETY: `new` came from a box and was not published.
            drop(unsafe { Box::from_raw(new) });
            other
        }
    }
}

/// Leaves the team behind, as a forked child must: its threads exist in the parent only, and its locks may
/// be held by them.
pub(super) fn forget() {
    TEAM.store(std::ptr::null_mut(), Ordering::Release);
}

pub(super) fn tasks_by_workers() -> u64 {
    TASKS_BY_WORKERS.load(Ordering::Relaxed)
}

impl Team {
    fn new() -> Self {
        fn nothing(_: usize) {}
        const NOTHING: &(dyn Fn(usize) + Sync) = &nothing;
        Self {
            gate: Gate(AtomicU64::new(0)),
            next: [const { Counter(AtomicUsize::new(0)) }; MAX_STRETCHES],
            region: UnsafeCell::new(Region { task: NOTHING, tasks: 0, stretches: 1 }),
            busy: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            panic: Mutex::new(None),
            hired: AtomicUsize::new(0),
            bed: Mutex::new(()),
            region_opened: Condvar::new(),
            workers_left: Condvar::new(),
        }
    }

    /// Runs a region with the help of up to `helpers` workers; `false`, and nothing done, where the team is busy.
    pub(super) fn run(&'static self, tasks: usize, helpers: usize, task: &(dyn Fn(usize) + Sync)) -> bool {
        if self.busy.load(Ordering::Relaxed) || self.busy.swap(true, Ordering::Acquire) {
            return false;
        }
        let helpers = self.hire(helpers);
        // SAFETY: the lifetime is only made longer in the type: `shut` below returns when all workers are
        // out of the region, and nothing between here and there can unwind.
        let task: *const (dyn Fn(usize) + Sync + 'static) = unsafe { std::mem::transmute(task) };
        let region = Region { task, tasks, stretches: (helpers + 1).min(MAX_STRETCHES) };
        for stretch in 0..region.stretches {
            self.next[stretch].0.store(region.cut(stretch), Ordering::Relaxed);
        }
        // SAFETY: we hold `busy`, and the last region was shut and left by all.
        unsafe { *self.region.get() = region };
        self.open(helpers);
        // The caller's own panic, too, must wait until the workers let go of the closure.
        self.work(0);
        self.shut();
        let panic = lock(&self.panic).take();
        self.busy.store(false, Ordering::Release);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        true
    }

    /// Makes sure of `wanted` workers, as far as the system gives threads; says how many may be asked for.
    fn hire(&'static self, wanted: usize) -> usize {
        let mut hired = self.hired.load(Ordering::Relaxed);
        while hired < wanted {
            let name = format!("retrograd-{}", hired + 1);
            if std::thread::Builder::new().name(name).spawn(move || self.serve(hired + 1)).is_err() {
                break;
            }
            hired += 1;
            self.hired.store(hired, Ordering::Relaxed);
        }
        hired.min(wanted)
    }

    fn open(&self, helpers: usize) {
        let region = number(self.gate.0.load(Ordering::Relaxed)).wrapping_add(1);
        // Sequentially consistent with a worker that counts itself a sleeper, then looks at the gate: either
        // it sees this region or we see the sleeper.
        self.gate.0.store((u64::from(region) << 32) | (ONE_SLOT * helpers as u64), Ordering::SeqCst);
        let asleep = self.sleepers.load(Ordering::SeqCst);
        if asleep > 0 {
            drop(lock(&self.bed));
            for _ in 0..asleep.min(helpers) {
                self.region_opened.notify_one();
            }
        }
    }

    /// Lets nobody else in, and returns when all are out.
    fn shut(&self) {
        let gate = self.gate.0.fetch_and(!SLOTS, Ordering::Acquire);
        if gate & INSIDE == 0 || self.spin_until(CALLER_SPINS, |gate| gate & INSIDE == 0) {
            return;
        }
        let mut guard = lock(&self.bed);
        while self.gate.0.fetch_or(CALLER_SLEEPS, Ordering::Acquire) & INSIDE != 0 {
            guard = self.workers_left.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Claims and runs tasks until none are left, those of the thread's own stretch first: mostly it gets the same ones whenever
    /// a region is as large, and finds in its own cache what it left there. Never unwinds.
    fn work(&self, thread: usize) -> u64 {
        // SAFETY: we are inside, as the caller or through the gate.
        let region = unsafe { &*self.region.get() };
        let mut done = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let own = region.own_stretch(thread);
            for turn in 0..region.stretches {
                let stretch = (own + turn) % region.stretches;
                let (next, end) = (&self.next[stretch].0, region.cut(stretch + 1));
                // A look is cheaper than a claim where others look too.
                while next.load(Ordering::Relaxed) < end {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= end {
                        break;
                    }
                    done += 1;
                    // SAFETY: the closure lives until everyone is out.
                    unsafe { (*region.task)(i) };
                }
            }
        }));
        if let Err(payload) = outcome {
            // Nobody begins another task. Claims after this add at most one a thread: no overflow.
            for next in &self.next[..region.stretches] {
                next.0.store(region.tasks, Ordering::Relaxed);
            }
            lock(&self.panic).get_or_insert(payload);
        }
        done
    }

    /// A worker's life.
    fn serve(&self, thread: usize) {
        let mut seen = 0;
        let mut entered = true;
        loop {
            // A worker that found no room in the last region is not needed: it sleeps at once.
            let arrived = entered && self.spin_until(WORKER_SPINS, |gate| number(gate) != seen);
            if !arrived {
                self.sleep(seen);
            }
            (seen, entered) = self.enter();
            if entered {
                let done = self.work(thread);
                TASKS_BY_WORKERS.fetch_add(done, Ordering::Relaxed);
                self.leave();
            }
        }
    }

    /// Goes in where there is room; the number of the region looked at.
    fn enter(&self) -> (u32, bool) {
        let step = |gate: u64| (gate & SLOTS != 0).then(|| gate - ONE_SLOT + 1);
        match self.gate.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, step) {
            Ok(gate) => (number(gate), true),
            Err(gate) => (number(gate), false),
        }
    }

    fn leave(&self) {
        let gate = self.gate.0.fetch_sub(1, Ordering::Release);
        if gate & INSIDE == 1 && gate & CALLER_SLEEPS != 0 {
            drop(lock(&self.bed));
            self.workers_left.notify_one();
        }
    }

    fn sleep(&self, seen: u32) {
        let mut guard = lock(&self.bed);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while number(self.gate.0.load(Ordering::SeqCst)) == seen {
            guard = self.region_opened.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Spins for a short while; whether the gate came to be as wished.
    fn spin_until(&self, limit: Duration, wish: impl Fn(u64) -> bool) -> bool {
        // With more threads than cores the one waited for may need this very core.
        if size::num_threads() > size::cores() {
            return wish(self.gate.0.load(Ordering::Acquire));
        }
        let mut began = None;
        loop {
            for _ in 0..PAUSES {
                if wish(self.gate.0.load(Ordering::Acquire)) {
                    return true;
                }
                std::hint::spin_loop();
            }
            if began.get_or_insert_with(Instant::now).elapsed() > limit {
                return false;
            }
        }
    }
}

/// Nothing that runs under these locks panics: a poisoned one is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
