//! Columns of a product, a share for each thread, who takes some at a time: its own first, then what others have not begun.
//! A thread may be held up, by memory or by another program, and all wait for the last.
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of a share that nobody may take from yet.
const SHUT: usize = usize::MAX;

/// Columns in shares of as many, but for the last.
pub(super) struct Shares {
    columns: Range<usize>,
    each: usize,
    /// The first column of each share that is not taken.
    next: [AtomicUsize; Self::MOST],
}

impl Shares {
    /// The most threads that help each other.
    pub const MOST: usize = 64;

    /// All shut.
    pub fn new(columns: Range<usize>, each: usize) -> Self {
        debug_assert!(columns.len().div_ceil(each) <= Self::MOST);
        Self { columns, each, next: [const { AtomicUsize::new(SHUT) }; Self::MOST] }
    }

    pub fn count(&self) -> usize {
        self.columns.len().div_ceil(self.each)
    }

    pub fn share(&self, i: usize) -> Range<usize> {
        let first = self.columns.start + i * self.each;
        first..self.columns.end.min(first + self.each)
    }

    /// All shares in turn, a thread's own first.
    pub fn turns(&self, own: usize) -> impl Iterator<Item = usize> {
        let count = self.count();
        (own..own + count).map(move |i| i % count)
    }

    /// From now on columns of the share may be taken; whoever takes them sees what this thread wrote before.
    pub fn open(&self, i: usize) {
        self.next[i].store(self.share(i).start, Ordering::Release);
    }

    /// Takes whole panels, as many as `most` columns hold; towards the end of the share fewer, so that nobody waits long.
    pub fn take(&self, i: usize, panel: usize, most: usize) -> Option<Range<usize>> {
        let end = self.share(i).end;
        let after = |first: usize| {
            let half = (end - first) / 2 / panel * panel;
            end.min(first + half.clamp(panel, most))
        };
        let step = |first: usize| (first < end).then(|| after(first));
        let first = self.next[i].fetch_update(Ordering::AcqRel, Ordering::Acquire, step).ok()?;
        Some(first..after(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_taken_once_and_by_whoever_comes() {
        for (columns, each, panel, most) in [(3..519, 128, 32, 128), (0..7, 8, 8, 8), (0..100, 48, 16, 16)] {
            let shares = Shares::new(columns.clone(), each);
            assert_eq!(shares.take(0, panel, most), None, "shut");
            (0..shares.count()).for_each(|i| shares.open(i));
            let taken = |own: usize| {
                let all = shares
                    .turns(own)
                    .flat_map(|i| std::iter::from_fn(|| shares.take(i, panel, most)).collect::<Vec<_>>());
                all.collect::<Vec<_>>()
            };
            let mut all = std::thread::scope(|scope| {
                let helper = scope.spawn(|| taken(shares.count() - 1));
                let mut own = taken(0);
                own.extend(helper.join().unwrap());
                own
            });
            all.sort_by_key(|some| some.start);
            assert!(all.iter().all(|some| (1..=most).contains(&some.len())));
            assert_eq!(all.into_iter().flatten().collect::<Vec<_>>(), columns.collect::<Vec<_>>());
        }
    }
}
