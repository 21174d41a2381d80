//! Reverse-mode automatic differentiation: the graph, and the walk back through it.
mod back;
mod backward;
mod hooks;
mod mode;
mod node;
mod queue;
mod turn;

pub use back::{Back, LeafGrad, Operands};
pub(crate) use backward::Interrupts;
pub use backward::{accumulate, backward, grad, set_interrupt_check};
pub use hooks::{Hook, Registered};
pub(crate) use hooks::{HookId, Hooks, hooks_alive, visit_owned};
pub use mode::{GradMode, grad_enabled, set_grad_enabled};
pub use node::{Edge, Node};
pub(crate) use turn::Turns;
