//! Memory planned ahead: temporaries whose lives do not overlap share bytes.

/// A temporary: how large, and the first and last step that touch it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) bytes: usize,
    pub(super) first: usize,
    pub(super) last: usize,
}

const ALIGN: usize = 64;

/// An offset for each temporary, and how many bytes they take in all.
pub(super) fn plan(lives: &[Life]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|&i| lives[i].first);
    let mut offsets = vec![0; lives.len()];
    let mut live: Vec<usize> = Vec::new();
    let mut total = 0;
    for i in order {
        let life = lives[i];
        // What was last touched by an earlier step has made room.
        live.retain(|&j| lives[j].last >= life.first);
        live.sort_by_key(|&j| offsets[j]);
        let mut offset = 0;
        for &j in &live {
            if offset + life.bytes <= offsets[j] {
                break;
            }
            offset = offset.max((offsets[j] + lives[j].bytes).next_multiple_of(ALIGN));
        }
        offsets[i] = offset;
        total = total.max(offset + life.bytes);
        live.push(i);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_that_overlap_do_not_share_and_others_do() {
        let life = |bytes, first, last| Life { bytes, first, last };
        let lives = [life(100, 0, 2), life(50, 1, 3), life(100, 3, 4), life(10, 3, 3), life(0, 0, 9)];
        let (offsets, total) = plan(&lives);
        for (i, a) in lives.iter().enumerate() {
            for (j, b) in lives.iter().enumerate().skip(i + 1) {
                let together = a.first <= b.last && b.first <= a.last;
                let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                assert!(!together || apart, "{i} and {j}");
            }
        }
        assert!(total < 250, "{total}");
    }
}
