//! An edge under state evolution: the law of its message, and what is kept of earlier ones.

use super::echo::{self, Echo};
use super::law::MessageLaw;
use super::node::Node;
use super::port::second_moment;
use crate::inference::Extrinsic;
use crate::message::{Message, small};

/// What is known of the messages at one edge.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) law: MessageLaw,
    /// Where versions are followed jointly: covariance of the noise of each version of the message, and those with the
    /// noises of all versions before it.
    pub(super) noises: Vec<Vec<f64>>,
    pub(super) cross: Vec<Vec<Vec<f64>>>,
    pub(super) version: usize,
    pub(super) constant: bool,
    /// Whether there is a message to damp towards.
    pub(super) updated: bool,
    pub(super) damping: f64,
    pub(super) extrinsic: Extrinsic,
    /// The versions of the other messages at each time the factor was told their product.
    pub(super) told: Vec<Vec<usize>>,
    /// What the message holds of its own cavity's noise, which isn't among the noises above.
    pub(super) echo: Echo,
}

impl Edge {
    /// Sends a message with what it holds of its cavity, damped, or the one before again; returns its law on the rows.
    pub(super) fn send(
        &mut self,
        node: &mut Node<'_>,
        port: usize,
        new: Option<(Message, Echo)>,
    ) -> MessageLaw {
        let at = node.port_mut(port);
        let previous = at.sent.take().filter(|_| self.updated);
        let message = match (new, previous) {
            (Some((mut message, echo)), Some(previous)) => {
                message.damp(&previous, self.damping);
                self.echo = echo.damped(&self.echo, self.damping);
                message
            }
            (Some((message, echo)), None) => {
                self.echo = echo;
                message
            }
            (None, previous) => previous.unwrap_or_else(|| Message::vacuous(at.layout())),
        };
        let (law, mut noise) = at.law_of(&message);
        at.sent = Some(message);
        let mut free = law.noise.clone();
        if !self.echo.is_empty() {
            let told = |t| node.noise_coefficients(port, t);
            let echo = node.realise(port, &self.echo.combined(told, law.columns()));
            echo::add(&echo, &mut noise, -1.0);
            free = second_moment(&noise, &noise, &node.port(port).weights);
            small::symmetrise(&mut free, law.columns());
        }
        self.cross.push(node.port_mut(port).remember(noise));
        self.noises.push(free);
        law
    }
}

/// What an undamped message holds of its cavity: measured where the belief's covariance is an estimate of the derivative,
/// computed where another one was divided by.
pub(super) fn echo_of(
    node: &Node<'_>,
    edge: &Edge,
    port: usize,
    message: &Message,
    [measured, held]: [bool; 2],
) -> Echo {
    let Some(told) = edge.told.len().checked_sub(1).filter(|_| measured || held) else {
        return Echo::default();
    };
    let at = node.port(port);
    if measured {
        let noise = node.realise(port, node.noise_coefficients(port, told));
        return Echo::regressed(told, &noise, message.natural(), &at.weights);
    }
    let precisions = [at.cavity.precision().block(0), message.precision().block(0)];
    Echo::new(told, at.belief.covariances(), precisions, at.d)
}
