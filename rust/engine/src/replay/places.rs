//! Where arguments may lie. A recording asks its operands which of them share memory; those of another call may do so elsewhere.
use std::ops::Range;

use super::program::Slot;
use crate::tensor::Tensor;

type Addresses = Range<usize>;

/// What a program writes and uses besides its arguments, and which arguments met that, or each other, when it was recorded.
pub(super) struct Places {
    /// What is written, and what is used at all, of storages that stay: apart from each other, in order.
    written: Vec<Addresses>,
    used: Vec<Addresses>,
    /// Whether each argument is written.
    writes: Vec<bool>,
    /// Arguments that met what stays, and where they began.
    met_fixed: Vec<(usize, usize)>,
    /// Arguments that met each other, and how far apart they began.
    met: Vec<(usize, usize, isize)>,
}

impl Places {
    /// Of a recording with these arguments; `changed` are the slots that are written.
    pub(super) fn new(slots: &[Slot], changed: &[u32], arguments: &[Tensor]) -> Self {
        let mut places = Self {
            written: Vec::new(),
            used: Vec::new(),
            writes: vec![false; arguments.len()],
            met_fixed: Vec::new(),
            met: Vec::new(),
        };
        for slot in slots {
            if let Slot::Fixed(storage) = slot {
                places.used.push(storage.addresses());
            }
        }
        for &slot in changed {
            match &slots[slot as usize] {
                Slot::Argument(i) => places.writes[*i] = true,
                Slot::Fixed(storage) => places.written.push(storage.addresses()),
                Slot::Fresh(_) | Slot::Temporary(_) => {}
            }
        }
        join(&mut places.written);
        join(&mut places.used);
        let (mut met_fixed, mut met) = (Vec::new(), Vec::new());
        places.meetings(
            arguments,
            |i, at| {
                met_fixed.push((i, at));
                true
            },
            |i, j, far| {
                met.push((i, j, far));
                true
            },
        );
        Self { met_fixed, met, ..places }
    }

    /// Whether arguments meet nothing that is written, or meet with what they write, but as those of the recording did.
    pub(super) fn allow(&self, arguments: &[Tensor]) -> bool {
        self.meetings(
            arguments,
            |i, at| self.met_fixed.contains(&(i, at)),
            |i, j, far| self.met.contains(&(i, j, far)),
        )
    }

    /// Calls `fixed` for each argument that meets what stays, and `both` for each two that meet, where one of the two is written; until
    /// it says no.
    fn meetings(
        &self,
        arguments: &[Tensor],
        mut fixed: impl FnMut(usize, usize) -> bool,
        mut both: impl FnMut(usize, usize, isize) -> bool,
    ) -> bool {
        for (i, argument) in arguments.iter().enumerate() {
            let (place, at) = (argument.addresses(), argument.ptr() as usize);
            let others = if self.writes[i] { &self.used } else { &self.written };
            if meets(others, &place) && !fixed(i, at) {
                return false;
            }
            for (j, other) in arguments[..i].iter().enumerate() {
                let is_written = self.writes[i] || self.writes[j];
                if is_written
                    && argument.meets(other)
                    && !both(j, i, at.wrapping_sub(other.ptr() as usize) as isize)
                {
                    return false;
                }
            }
        }
        true
    }
}

/// Sorts them, and makes one of those that overlap.
fn join(all: &mut Vec<Addresses>) {
    all.sort_unstable_by_key(|place| place.start);
    all.dedup_by(|next, last| {
        let overlap = next.start < last.end;
        if overlap {
            last.end = last.end.max(next.end);
        }
        overlap
    });
}

/// Whether a place overlaps one of these, which are in order.
fn meets(all: &[Addresses], place: &Addresses) -> bool {
    let after = all.partition_point(|other| other.end <= place.start);
    all.get(after).is_some_and(|other| other.start < place.end)
}
