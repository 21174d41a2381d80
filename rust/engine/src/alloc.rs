//! The caching allocator: blocks of a few sizes, 64-byte aligned, kept for the next tensor.
//!
//! Small blocks are kept by the thread that frees them; large ones in one shared list. The shared
//! list is only ever tried, never waited for, so no fork or signal can leave it locked for good:
//! whoever does not get it goes to the system. A block from the system is checked against the
//! memory the machine and the container have left, because Linux would grant it and kill later.
use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::error::{Result, bail};
use crate::huge;

/// The alignment of every block, a cache line and an AVX-512 vector.
pub const ALIGN: usize = 64;
/// What a page holds on most machines.
const PAGE: usize = 4 << 10;
/// Blocks of this size and more begin with a page.
const PAGED: usize = 16 * PAGE;
/// Blocks up to this size are kept by the freeing thread.
const SMALL: usize = 256 << 10;
/// What one thread keeps at the most.
const THREAD_BOUND: usize = 8 << 20;
/// Every so many bytes asked of the system, the available memory is looked at.
const CHECK_EVERY: usize = 64 << 20;
/// Size classes to a doubling: at most a quarter of a block is unused.
const STEPS: usize = 4;
const CLASSES: usize = 64 * STEPS;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// What was asked of the system and not given back: what no tensor holds of it is cached.
static HELD: AtomicUsize = AtomicUsize::new(0);
static SYSTEM_CALLS: AtomicUsize = AtomicUsize::new(0);
static SINCE_CHECK: AtomicUsize = AtomicUsize::new(0);
static SHARED_BOUND: AtomicUsize = AtomicUsize::new(4 << 30);

/// Free blocks by size class.
struct Cache {
    free: [Vec<NonNull<u8>>; CLASSES],
    bytes: usize,
}

// SAFETY: the cache owns its free blocks; nothing else points to them.
unsafe impl Send for Cache {}

impl Cache {
    const fn new() -> Self {
        Self { free: [const { Vec::new() }; CLASSES], bytes: 0 }
    }

    fn take(&mut self, class: usize) -> Option<NonNull<u8>> {
        let block = self.free[class].pop()?;
        self.bytes -= class_bytes(class);
        Some(block)
    }

    fn keep(&mut self, class: usize, block: NonNull<u8>, bound: usize) -> bool {
        let bytes = class_bytes(class);
        let room = self.bytes + bytes <= bound;
        if room {
            self.free[class].push(block);
            self.bytes += bytes;
        }
        room
    }

    fn clear(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.take(class) {
                to_system(block, class_bytes(class));
            }
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.clear();
    }
}

thread_local! {
    static OWN: RefCell<Cache> = const { RefCell::new(Cache::new()) };
}
static SHARED: Mutex<Cache> = Mutex::new(Cache::new());

/// The smallest class whose blocks hold `bytes`.
fn class_of(bytes: usize) -> usize {
    let units = bytes.div_ceil(ALIGN).max(1);
    let log = (usize::BITS - 1 - units.leading_zeros()) as usize;
    if log < 2 {
        return units - 1; // 1, 2, 3 units: classes 0, 1, 2
    }
    // Within [2^log, 2^(log+1)) there are STEPS sizes, each a quarter of 2^log apart.
    let quarter = 1usize << (log - 2);
    let step = (units - (1 << log)).div_ceil(quarter);
    (log - 2) * STEPS + step + 3
}

/// The size of a class's blocks.
fn class_bytes(class: usize) -> usize {
    if class < 3 {
        return (class + 1) * ALIGN;
    }
    let (log, step) = ((class - 3) / STEPS + 2, (class - 3) % STEPS);
    ((1 << log) + (step << (log - 2))) * ALIGN
}

/// How blocks of a size are aligned: large ones to huge pages, and those that lose little by it to pages, lest each row of a
/// matrix lie on two.
fn layout(bytes: usize) -> Option<Layout> {
    let align = match bytes {
        huge::PAGE.. => huge::PAGE,
        PAGED.. => PAGE,
        _ => ALIGN,
    };
    Layout::from_size_align(bytes, align).ok()
}

fn from_system(bytes: usize) -> Option<NonNull<u8>> {
    SYSTEM_CALLS.fetch_add(1, Relaxed);
    // SAFETY: the layout's size is a class size, never zero.
    let block = NonNull::new(unsafe { alloc(layout(bytes)?) })?;
    if bytes >= huge::PAGE {
        huge::advise(block.as_ptr(), bytes);
    }
    HELD.fetch_add(bytes, Relaxed);
    Some(block)
}

fn to_system(block: NonNull<u8>, bytes: usize) {
    HELD.fetch_sub(bytes, Relaxed);
    if let Some(layout) = layout(bytes) {
        // SAFETY: the block came from `from_system` with the same layout.
        unsafe { dealloc(block.as_ptr(), layout) }
    }
}

/// A block of at least `bytes` bytes; its contents are arbitrary.
pub fn allocate(bytes: usize) -> Result<NonNull<u8>> {
    if bytes > isize::MAX as usize / 2 {
        bail!(Memory, "{bytes} bytes are more than memory can address");
    }
    let class = class_of(bytes);
    let size = class_bytes(class);
    let cached = if size <= SMALL {
        OWN.try_with(|own| own.borrow_mut().take(class)).ok().flatten()
    } else {
        SHARED.try_lock().ok().and_then(|mut shared| shared.take(class))
    };
    let block = match cached {
        Some(block) => block,
        None => fresh(size)?,
    };
    let live = LIVE.fetch_add(size, Relaxed) + size;
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
    Ok(block)
}

/// Gives back a block of [`allocate`]; `bytes` is what was asked for.
pub fn release(block: NonNull<u8>, bytes: usize) {
    let class = class_of(bytes);
    let size = class_bytes(class);
    LIVE.fetch_sub(size, Relaxed);
    let kept = if size <= SMALL {
        OWN.try_with(|own| own.borrow_mut().keep(class, block, THREAD_BOUND)).unwrap_or(false)
    } else {
        SHARED.try_lock().is_ok_and(|mut shared| shared.keep(class, block, SHARED_BOUND.load(Relaxed)))
    };
    if !kept {
        to_system(block, size);
    }
}

#[cold]
fn fresh(size: usize) -> Result<NonNull<u8>> {
    if SINCE_CHECK.fetch_add(size, Relaxed) + size >= CHECK_EVERY {
        SINCE_CHECK.store(0, Relaxed);
        let fits = || available_memory().is_none_or(|available| size <= available);
        if !fits() {
            empty_cache();
            if !fits() {
                let available = available_memory().unwrap_or(0);
                bail!(
                    Memory,
                    "a tensor of {} needs more than the {} that are available; use a smaller batch or free tensors first",
                    human(size),
                    human(available)
                );
            }
        }
    }
    match from_system(size).or_else(|| {
        empty_cache();
        from_system(size)
    }) {
        Some(block) => Ok(block),
        None => bail!(Memory, "the system has no {} left for a tensor", human(size)),
    }
}

fn human(bytes: usize) -> String {
    const MIB: usize = 1 << 20;
    if bytes >= MIB { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") }
}

/// What the machine, and the container this runs in, have left; `None` where neither says.
fn available_memory() -> Option<usize> {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| entry(&text, "MemAvailable:"))
        .map(|kilobytes| kilobytes * 1024);
    let container = container_memory("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
        .or_else(|| {
            let folder = "/sys/fs/cgroup/memory";
            container_memory(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        });
    machine.into_iter().chain(container).min()
}

/// What a container may still use. What it keeps of files that it read counts as used, but makes room.
fn container_memory(folder: &str, limit: &str, used: &str, files: &str) -> Option<usize> {
    let read = |file: &str| std::fs::read_to_string(format!("{folder}/{file}")).ok();
    let number = |file: &str| read(file)?.trim().parse::<usize>().ok();
    let files = read("memory.stat").and_then(|text| entry(&text, files)).unwrap_or(0);
    Some(number(limit)?.saturating_sub(number(used)?.saturating_sub(files)))
}

/// The number that follows `name` at the beginning of a line.
fn entry(text: &str, name: &str) -> Option<usize> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    })
}

/// Returns this thread's and the shared cache's free blocks to the system.
pub fn empty_cache() {
    let _ = OWN.try_with(|own| own.borrow_mut().clear());
    if let Ok(mut shared) = SHARED.try_lock() {
        shared.clear();
    }
}

/// What the allocator holds, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Held by tensors now.
    pub live: usize,
    /// The most `live` has been.
    pub peak: usize,
    /// Free blocks kept for later.
    pub cached: usize,
    /// Blocks asked of the system so far.
    pub system_calls: usize,
}

/// What the allocator holds now.
pub fn stats() -> Stats {
    let live = LIVE.load(Relaxed);
    Stats {
        live,
        peak: PEAK.load(Relaxed),
        cached: HELD.load(Relaxed).saturating_sub(live),
        system_calls: SYSTEM_CALLS.load(Relaxed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_is_chosen_for_and_wastes_at_most_a_quarter() {
        for bytes in (0..100_000).chain([1 << 20, (1 << 30) + 1, 1 << 40]) {
            let size = class_bytes(class_of(bytes));
            assert!(size >= bytes, "{bytes} in {size}");
            assert!(size <= (bytes + bytes / 4).max(ALIGN) + ALIGN, "{bytes} in {size}");
            assert_eq!(class_of(size), class_of(bytes), "{bytes}");
        }
    }

    #[test]
    fn a_freed_block_is_used_again() {
        let block = allocate(1000).unwrap();
        release(block, 1000);
        assert_eq!(allocate(990).unwrap(), block);
        release(block, 990);
    }

    #[test]
    fn entries_of_a_table() {
        let text = "file 10\ninactive_file 4096\nMemAvailable:   12 kB\n";
        assert_eq!(entry(text, "inactive_file"), Some(4096));
        assert_eq!(entry(text, "MemAvailable:"), Some(12));
        assert_eq!(entry(text, "inactive"), None);
        assert!(available_memory().is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(allocate(1 << 50).is_err());
        assert!(allocate(usize::MAX).is_err());
    }
}
