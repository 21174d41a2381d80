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

    /// Gives the base the history it has once the view's contents come from `written`.
    pub(crate) fn rewrite_base(&self, written: Arc<Node>, meta: &Meta) -> Result<()> {
        let steps = self.steps();
        let edges = self.edges(&steps, meta);
        let mut node = written;
        for (i, step) in steps.iter().enumerate().rev() {
            let output = steps.get(i + 1).map_or(meta, |next| &next.input);
            let new = Edge::Node(node, 0);
            node = match step.op {
                // What maps one to one is undone; a slice is written back into what it came from.
                Op::Reshape(_) => {
                    Node::of_view(&Reshape { shape: step.input.shape }.into(), new, output, &step.input)
                }
                Op::Permute(p) => Node::of_view(&p.inverse().into(), new, output, &step.input),
                Op::Slice(s) => Node::unsaved(
                    &SliceScatter { dim: s.dim, start: s.start, step: s.step }.into(),
                    smallvec![edges[i].clone(), new],
                    &[&step.input, output],
                    &step.input,
                ),
                op => bail!(
                    Graph,
                    "cannot write in place into a view made by '{}'; write into a .clone()",
                    op.name()
                ),
            };
        }
        self.base.rewrite_history(node, 0);
        Ok(())
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
