//! Differentiable views: which base a view belongs to and by which ops it came from it, so that
//! writing into the view rewrites the base's history.
use std::sync::Arc;

use smallvec::smallvec;

use crate::autograd::{Edge, Node};
use crate::error::{Result, bail};
use crate::layout::Meta;
use crate::ops::Op;
use crate::ops::shape::{Permute, Reshape, SliceScatter};
use crate::tensor::Tensor;

/// The base of a view and the way from there.
#[derive(Clone)]
pub(crate) struct ViewOf {
    pub(crate) base: Tensor,
    link: Arc<Link>,
}

/// One step of the way; earlier steps are shared with other views.
struct Link {
    parent: Option<Arc<Link>>,
    op: Op,
    /// What the op was applied to.
    input: Meta,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Ways may be a million steps long: end them in a loop.
        let mut next = self.parent.take();
        while let Some(link) = next {
            next = Arc::into_inner(link).and_then(|mut link| link.parent.take());
        }
    }
}

impl ViewOf {
    /// The view that `op` makes of `parent`.
    pub(crate) fn new(parent: &Tensor, op: &Op) -> Self {
        match parent.view_of() {
            Some(ViewOf { base, link }) => {
                Self { base, link: Arc::new(Link { parent: Some(link), op: *op, input: *parent.meta() }) }
            }
            None => Self {
                base: parent.clone(),
                link: Arc::new(Link { parent: None, op: *op, input: *parent.meta() }),
            },
        }
    }

    /// The steps from the base to the view.
    fn steps(&self) -> Vec<&Link> {
        let mut steps = Vec::new();
        let mut link = Some(&self.link);
        while let Some(l) = link {
            steps.push(&**l);
            link = l.parent.as_ref();
        }
        steps.reverse();
        steps
    }

    /// The histories of the base and of each intermediate view, from the base's present one.
    fn edges(&self, steps: &[&Link], last: &Meta) -> Vec<Edge> {
        let mut edge = self.base.edge();
        let mut edges = vec![edge.clone()];
        for (i, step) in steps.iter().enumerate() {
            let output = steps.get(i + 1).map_or(last, |next| &next.input);
            if !edge.is_none() {
                edge = Edge::Node(Node::of_view(&step.op, edge, &step.input, output), 0);
            }
            edges.push(edge.clone());
        }
        edges
    }

    /// The history a view has now, after the base's was rewritten.
    pub(crate) fn history_from_base(&self, meta: &Meta) -> Option<Arc<Node>> {
        match self.edges(&self.steps(), meta).pop() {
            Some(Edge::Node(node, _)) => Some(node),
            _ => None,
        }
    }

    /// The ops that undo the steps from the base to the view, in the steps' order: to be asked for before the view is
    /// overwritten, since not all can be undone.
    pub(crate) fn way_back(&self, last: &Meta) -> Result<Vec<Op>> {
        let steps = self.steps();
        let outputs = steps.iter().skip(1).map(|next| &next.input).chain([last]);
        steps.iter().zip(outputs).map(|(step, output)| step.undo(output)).collect()
    }

    /// Gives the base the history it has once the view's contents come from `written`; `way_back` is this view's.
    pub(crate) fn rewrite_base(&self, written: Arc<Node>, last: &Meta, way_back: &[Op]) {
        let steps = self.steps();
        let edges = self.edges(&steps, last);
        let mut node = written;
        for (i, (step, op)) in steps.iter().zip(way_back).enumerate().rev() {
            let output = steps.get(i + 1).map_or(last, |next| &next.input);
            let new = Edge::Node(node, 0);
            node = match op {
                // A slice is written back into what it came from.
                Op::SliceScatter(_) => {
                    Node::unsaved(op, smallvec![edges[i].clone(), new], &[&step.input, output], &step.input)
                }
                _ => Node::of_view(op, new, output, &step.input),
            };
        }
        self.base.rewrite_history(node, 0);
    }
}

impl Link {
    /// The op that brings what is written to the output of this step back to its input.
    fn undo(&self, output: &Meta) -> Result<Op> {
        let reshape = Reshape { shape: self.input.shape }.into();
        Ok(match self.op {
            Op::Reshape(_) => reshape,
            Op::Permute(p) => p.inverse().into(),
            Op::Slice(s) => SliceScatter { dim: s.dim, start: s.start, step: s.step }.into(),
            // What repeats nothing only adds dimensions.
            Op::Expand(_) if output.numel() == self.input.numel() => reshape,
            op => bail!(
                Graph,
                "cannot write in place into a view made by '{}'; write into a .clone()",
                op.name()
            ),
        })
    }
}

impl Permute {
    /// The permutation that undoes this one.
    pub(crate) fn inverse(&self) -> Permute {
        let mut dims = self.dims;
        for (i, &d) in self.dims.iter().enumerate() {
            dims[d] = i;
        }
        Permute { dims }
    }
}
