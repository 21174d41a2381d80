//! The nodes that gradients have reached, newest first.
use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::back::Grads;
use super::node::Node;

/// A node that gradients have reached.
pub(super) struct Pending {
    pub(super) node: Arc<Node>,
    pub(super) grads: Grads,
    /// Whether the first output's is zero already where a relu's derivative is; see [`Back::add_gated`](super::Back::add_gated).
    pub(super) is_gated: bool,
}

/// So many nodes are kept in a short list; in most graphs no more are ever pending at a time.
const NEAR: usize = 8;

/// Pending nodes by number: the newest is a node all of whose users are done.
#[derive(Default)]
pub(super) struct Queue {
    /// The newest of all, the oldest of them first.
    near: SmallVec<[Pending; NEAR]>,
    /// All others, which are older than those.
    far: BTreeMap<u64, Pending>,
}

impl Queue {
    /// What has reached `node`, so far perhaps nothing.
    pub(super) fn of(&mut self, node: &Arc<Node>) -> &mut Pending {
        let seq = node.seq();
        let at = self.near.iter().rposition(|p| p.node.seq() <= seq).map_or(0, |i| i + 1);
        if at > 0 && self.near[at - 1].node.seq() == seq {
            return &mut self.near[at - 1];
        }
        let new = || Pending {
            node: node.clone(),
            grads: smallvec::smallvec![None; node.outputs().len()],
            is_gated: false,
        };
        let is_full = self.near.len() == NEAR;
        if at == 0 && (is_full || !self.far.is_empty()) {
            return self.far.entry(seq).or_insert_with(new);
        }
        let mut at = at;
        if is_full {
            let oldest = self.near.remove(0);
            self.far.insert(oldest.node.seq(), oldest);
            at -= 1;
        }
        self.near.insert(at, new());
        &mut self.near[at]
    }

    /// Takes the newest node out.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        self.near.pop().or_else(|| self.far.pop_last().map(|(_, pending)| pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::pointwise::Neg;
    use crate::tensor::Tensor;

    #[test]
    fn nodes_come_newest_first_and_each_once_in_whatever_order_they_are_met() {
        let x = Tensor::scalar(1.0, crate::DType::F32).unwrap();
        let nodes: Vec<Arc<Node>> = (0..50)
            .map(|_| Node::of_view(&Neg {}.into(), super::super::Edge::None, x.meta(), x.meta()))
            .collect();
        for stride in [1, 3, 7, 11, 49] {
            let mut queue = Queue::default();
            let mut popped = Vec::new();
            for round in 0..2 {
                for i in 0..nodes.len() {
                    let i = i * stride % nodes.len();
                    // In the second round half of them are known already.
                    if round == 1 || i.is_multiple_of(2) {
                        queue.of(&nodes[i]).grads[0] = Some(x.clone());
                    }
                }
            }
            while let Some(pending) = queue.pop() {
                assert!(pending.grads[0].is_some());
                popped.push(pending.node.seq());
            }
            let newest_first: Vec<u64> = nodes.iter().rev().map(|n| n.seq()).collect();
            assert_eq!(popped, newest_first, "in steps of {stride}");
        }
    }
}
