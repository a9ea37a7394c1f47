//! A node is a factor as state evolution sees it: told message laws, it answers with beliefs on rows.

use super::law::MessageLaw;
use super::linear::LinearNode;
use super::low_rank::LowRankNode;
use super::port::Port;
use super::prediction::{EstimateLaw, Samples};
use super::rowwise::RowwiseNode;
use crate::factor::Breakdown;
use crate::message::Message;
use crate::rows::Rows;

/// The kinds of factor that can be followed.
#[derive(Debug)]
pub(super) enum Node<'g> {
    Rowwise(Box<RowwiseNode<'g>>),
    Linear(Box<LinearNode>),
    LowRank(Box<LowRankNode>),
}

impl Node<'_> {
    pub(super) fn port(&self, port: usize) -> &Port {
        match self {
            Self::Rowwise(node) => &node.ports[port],
            Self::Linear(node) => &node.ports[port],
            Self::LowRank(node) => &node.ports[port],
        }
    }

    pub(super) fn port_mut(&mut self, port: usize) -> &mut Port {
        match self {
            Self::Rowwise(node) => &mut node.ports[port],
            Self::Linear(node) => &mut node.ports[port],
            Self::LowRank(node) => &mut node.ports[port],
        }
    }

    /// Makes `law` the cavity of a port; `cross` as in [`RowwiseNode::tell`].
    pub(super) fn tell(
        &mut self,
        port: usize,
        law: &MessageLaw,
        cross: Option<&[Vec<f64>]>,
        echo: Option<&Rows>,
    ) {
        match self {
            Self::Rowwise(node) => node.tell(port, law, cross, echo),
            Self::Linear(node) => node.tell(port, law, cross, echo),
            Self::LowRank(node) => node.tell(port, law, cross),
        }
    }

    /// A message of this law with a noise of its own, on the rows of a port.
    pub(super) fn message(&mut self, port: usize, law: &MessageLaw) -> Message {
        match self {
            Self::Rowwise(node) => node.message(port, law),
            Self::Linear(node) => node.message(port, law),
            Self::LowRank(node) => node.message(port, law),
        }
    }

    /// Whether it can be told what it has sent itself.
    pub(super) fn hears_echoes(&self) -> bool {
        match self {
            Self::Rowwise(_) => true,
            Self::Linear(node) => !node.is_over_entries(),
            Self::LowRank(_) => false,
        }
    }

    /// The noise that a port was told for the `t`-th time, as combinations of innovations.
    pub(super) fn noise_coefficients(&self, port: usize, t: usize) -> &[Vec<f64>] {
        match self {
            Self::Rowwise(node) => node.coefficients(port, t),
            Self::Linear(node) => node.noise_coefficients(port, t),
            Self::LowRank(_) => &[],
        }
    }

    /// Combinations of innovations on the rows of a port.
    pub(super) fn realise(&self, port: usize, coefficients: &[Vec<f64>]) -> Rows {
        match self {
            Self::Rowwise(node) => node.realise(port, coefficients),
            Self::Linear(node) => node.realise(port, coefficients),
            Self::LowRank(node) => Rows::zeros(node.ports[port].truth.rows(), node.ports[port].d),
        }
    }

    /// Whether beliefs depend on what the factor has sent itself.
    pub(super) fn is_recurrent(&self) -> bool {
        matches!(self, Self::LowRank(_))
    }

    /// Takes note of the law of a message sent, where only the last one matters and beliefs depend on it.
    pub(super) fn sent(&mut self, port: usize, law: &MessageLaw) {
        if let Self::LowRank(node) = self {
            node.sent(port, law);
        }
    }

    /// Computes the beliefs at all ports and averages their covariances.
    pub(super) fn beliefs(&mut self) -> Result<(), Breakdown> {
        match self {
            Self::Rowwise(node) => node.beliefs()?,
            Self::Linear(node) => node.beliefs()?,
            Self::LowRank(node) => node.beliefs()?,
        }
        let ports = match self {
            Self::Rowwise(node) => &mut node.ports[..],
            Self::Linear(node) => &mut node.ports[..],
            Self::LowRank(node) => &mut node.ports[..],
        };
        for (p, port) in ports.iter_mut().enumerate() {
            port.average();
            let finite = port.belief.covariances().iter().all(|v| v.is_finite())
                && port.belief.mean().first_non_finite().is_none();
            if !finite {
                return Err(Breakdown::NotFinite { port: p, row: 0 });
            }
        }
        Ok(())
    }

    /// A row that rows of truth and messages at this port are short of.
    fn shift(&self, port: usize) -> Option<&[f64]> {
        match self {
            Self::Linear(node) if port == 1 => node.bias.as_deref(),
            _ => None,
        }
    }

    /// The law of a message on the rows of a port; a bias is put back.
    pub(super) fn finish(&self, port: usize, mut law: MessageLaw) -> MessageLaw {
        if let Some(b) = self.shift(port) {
            // About Z - 1 b' it is x0 M + p; about Z it is z0 M + p + b (Gamma - M).
            let gap: Vec<f64> = law.precision.iter().zip(&law.signal).map(|(g, m)| g - m).collect();
            super::port::add_product(b, &gap, &mut law.offset);
        }
        law
    }

    /// The law of truth and estimate at a port.
    pub(super) fn estimate(&self, port: usize) -> EstimateLaw {
        let constant = match self {
            Self::Linear(node) => node.constant_of_output(),
            Self::Rowwise(_) | Self::LowRank(_) => Vec::new(),
        };
        self.port(port).estimate(self.shift(port).map(|b| (b, constant)))
    }

    /// Draws of truth, cavity mean and estimate, where there are points.
    pub(super) fn samples(&self, port: usize) -> Option<Samples> {
        match self {
            Self::Rowwise(node) => {
                let [truth, cavity, estimate] = node.samples(port);
                let weights = node.ports[port].weights.clone();
                Some(Samples { truth, cavity, estimate, weights })
            }
            Self::Linear(_) | Self::LowRank(_) => None,
        }
    }
}
