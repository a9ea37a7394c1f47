//! The run itself: sweeps, damping, stopping, and the way back after a breakdown.

use std::time::Instant;

use super::acceleration::Acceleration;
use super::error::{InferenceError, StartError};
use super::failure::{Failure, breakdown_error};
use super::live;
use super::observer::{IterationInfo, Observer};
use super::options::{Options, OptionsError};
use super::report::{EdgeFigures, Event, Recovery, Report, Status, SweepFigures};
use super::solution::Solution;
use super::state::{Division, State, cavity};
use crate::denoiser::Parameter;
use crate::evidence::{self, Evidence, EvidenceError};
use crate::factor::{Belief, Breakdown};
use crate::graph::{FactorId, Graph, VariableId};
use crate::message::Message;
use crate::message::small::{self, larger};
use crate::rows::Rows;
use crate::schedule::{ScheduleError, Update};

/// A run of expectation propagation on a graph: messages, workspaces, schedule.
///
/// ```no_run
/// # fn demo(graph: &fg_core::Graph) -> Result<(), Box<dyn std::error::Error>> {
/// use fg_core::{Inference, Options};
/// let solution = Inference::new(graph, &Options::default())?.run(&mut ())?;
/// println!("{}", solution.report());
/// # Ok(())
/// # }
/// ```
pub struct Inference<'g> {
    pub(super) graph: &'g Graph,
    options: Options,
    pub(super) state: State,
    start: Vec<Update>,
    sweep: Vec<Update>,
    pub(super) damping_scale: f64,
    pub(super) acceleration: Acceleration,
    recoveries: Vec<Recovery>,
    /// Whether a sweep has ever been completed.
    swept: bool,
    /// A factor that had nothing to say before.
    silent: Option<usize>,
}

impl<'g> Inference<'g> {
    /// Prepares a run: checks options and data, resolves the schedule, leaves out what need not be computed.
    ///
    /// # Errors
    /// [`InferenceError`] when an option is out of range, the schedule doesn't fit, data is missing or a
    /// factorisation fails.
    pub fn new(graph: &'g Graph, options: &Options) -> Result<Self, InferenceError> {
        options.validate()?;
        graph.ready().map_err(|(f, reason)| InferenceError::Unready {
            factor: graph.factor_nodes()[f].name.clone(),
            reason,
        })?;
        let schedule = options.schedule.resolve(graph)?;
        let mut state = State::new(graph, options.damping)
            .map_err(|(f, reason)| breakdown_error(graph, f, reason))?;
        for &(factor, port, weight) in &options.port_damping {
            let known = graph.factor_nodes().get(factor.index());
            if let Some(node) = known.filter(|node| port < node.ports.len()) {
                state.edges[node.first_edge + port].damping = weight;
            } else {
                let error = match known {
                    Some(node) => ScheduleError::UnknownPort { factor: node.name.clone(), port },
                    None => ScheduleError::UnknownFactor { factor: factor.index() },
                };
                return Err(error.into());
            }
        }
        let constant: Vec<bool> = state.edges.iter().map(|e| e.constant).collect();
        let (start, sweep) = live::prune(graph, schedule, &constant);
        let options = options.clone();
        let recoveries = Vec::new();
        let acceleration = Acceleration::new(options.acceleration);
        Ok(Self {
            graph,
            options,
            state,
            start,
            sweep,
            damping_scale: 1.0,
            acceleration,
            recoveries,
            swept: false,
            silent: None,
        })
    }

    /// Sets the message of `factor` at `port` that the run starts from; the first steps of the schedule leave it
    /// alone.
    ///
    /// # Errors
    /// [`StartError`] when there is no such port, the layout differs, or the model fixes the message.
    pub fn start(
        &mut self,
        factor: FactorId,
        port: usize,
        message: Message,
    ) -> Result<(), StartError> {
        let name = || self.graph.factor_name(factor).to_owned();
        let node = &self.graph.factor_nodes()[factor.index()];
        if port >= node.ports.len() {
            return Err(StartError::UnknownPort { factor: name(), port });
        }
        let variable = self.graph.variable_at(factor, port);
        let layout = self.graph.layout(variable);
        if message.layout() != layout {
            let found = (message.layout().rows(), message.layout().columns());
            let expected = (layout.rows(), layout.columns());
            let variable = self.graph.variable_name(variable).to_owned();
            return Err(StartError::Layout { variable, expected, found });
        }
        let edge = &mut self.state.edges[node.first_edge + port];
        if edge.constant {
            return Err(StartError::Constant { factor: name(), port });
        }
        edge.message = message;
        edge.updated = true;
        edge.version += 1;
        for update in self.start.iter_mut().filter(|u| u.factor == factor) {
            update.ports.retain(|&p| p != port);
        }
        Ok(())
    }

    /// Sets what `factor` remembers with the message at `port` that the run starts from: see [`Factor::memory`]. Without
    /// it such a factor takes that message for one that owes nothing to its own data.
    ///
    /// # Errors
    /// [`StartError`] when there is no such port or the memory has another shape.
    ///
    /// [`Factor::memory`]: crate::factor::Factor::memory
    pub fn start_memory(
        &mut self,
        factor: FactorId,
        port: usize,
        memory: &Rows,
    ) -> Result<(), StartError> {
        let name = || self.graph.factor_name(factor).to_owned();
        let node = &self.graph.factor_nodes()[factor.index()];
        if port >= node.ports.len() {
            return Err(StartError::UnknownPort { factor: name(), port });
        }
        let edge = &mut self.state.edges[node.first_edge + port];
        let (expected, found) = (edge.memory.shape(), memory.shape());
        if expected != found {
            return Err(StartError::Memory { factor: name(), port, expected, found });
        }
        edge.memory.copy_from(memory);
        edge.version += 1;
        Ok(())
    }

    /// Sets the weight of new messages from here on, in `(0, 1]`, in place of the option `damping` and of what retries have made
    /// of it; weights of [single messages](Options::port_damping) stay as they are.
    ///
    /// # Errors
    /// [`OptionsError`](super::OptionsError) when the weight is outside its range.
    pub fn set_damping(&mut self, weight: f64) -> Result<(), OptionsError> {
        let options = self.options.clone().with_damping(weight);
        options.validate()?;
        self.options = options;
        let own =
            |&(factor, port, _): &(FactorId, usize, f64)| self.graph.edge(factor.index(), port);
        let kept: Vec<usize> = self.options.port_damping.iter().map(own).collect();
        let edges = self.state.edges.iter_mut().enumerate();
        edges.filter(|(e, _)| !kept.contains(e)).for_each(|(_, edge)| edge.damping = weight);
        self.damping_scale = 1.0;
        self.acceleration.forget();
        Ok(())
    }

    /// The current message of `factor` at `port`.
    ///
    /// # Panics
    /// When the factor has no such port.
    #[track_caller]
    pub fn message(&self, factor: FactorId, port: usize) -> &Message {
        &self.state.edges[self.graph.edge(factor.index(), port)].message
    }

    /// Runs to convergence or to a limit. A second call goes on from where the first one stopped.
    ///
    /// # Errors
    /// [`InferenceError::Breakdown`] when a belief doesn't exist before there is any estimate.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Solution, InferenceError> {
        observer.on_start(self.graph);
        for update in core::mem::take(&mut self.start) {
            self.update(&update, None).map_err(|f| f.error(self.graph, self.silent))?;
        }
        let began = self.options.time_limit.map(|_| Instant::now());
        let mut history: Vec<SweepFigures> = Vec::with_capacity(self.options.max_sweeps.min(4096));
        let messages = self.sweep.iter().map(|u| u.ports.len()).sum();
        let mut status = Status::SweepLimit;
        while history.len() < self.options.max_sweeps {
            let sweep = history.len() + 1;
            let mut figures = SweepFigures {
                sweep,
                change: 0.0,
                damping_scale: self.damping_scale,
                accelerated: false,
                edges: Vec::with_capacity(messages),
                learned: Vec::new(),
            };
            self.state.save(history.is_empty());
            let swept = self.sweep_once(&mut figures);
            if let Err(failure) = swept.and_then(|()| self.learn()) {
                if !self.swept && failure.is_structural() {
                    return Err(failure.error(self.graph, self.silent));
                }
                if let Some(diverged) = self.recover(sweep, failure) {
                    status = diverged;
                    break;
                }
                continue;
            }
            self.swept = true;
            figures.learned = self.parameters();
            let change = figures.change;
            if change >= self.options.tolerance {
                let State { edges, saved: [began, _], .. } = &mut self.state;
                figures.accelerated = self.acceleration.step(edges, began);
            }
            let (graph, state) = (self.graph, &mut self.state);
            let flow =
                observer.on_iteration(&mut IterationInfo { graph, state, figures: &figures });
            history.push(figures);
            if flow.is_break() {
                status = Status::Stopped;
                break;
            }
            if change < self.options.tolerance || messages == 0 {
                status = Status::Converged;
                break;
            }
            let over = |(began, limit): (Instant, _)| began.elapsed() >= limit;
            if began.zip(self.options.time_limit).is_some_and(over) {
                status = Status::TimeLimit;
                break;
            }
        }
        if status.is_usable() {
            let sweep = history.len();
            let lost = self.unreadable().map(|failure| self.diverged(sweep, failure));
            status = lost.unwrap_or(status);
        }
        let recoveries = core::mem::take(&mut self.recoveries);
        let report = Report { status, sweeps: history.len(), history, recoveries };
        observer.on_end(&report);
        let beliefs = self.final_beliefs()?;
        let cavities = self.state.cavities(self.graph);
        Ok(Solution { beliefs, cavities, parameters: self.parameters(), report })
    }

    fn parameters(&self) -> Vec<(FactorId, Parameter)> {
        let factors = 0..self.graph.factor_nodes().len();
        let of = |f: usize| {
            let parameters = self.state.parameters(self.graph, f);
            parameters.into_iter().map(move |parameter| (FactorId(f), parameter))
        };
        factors.flat_map(of).collect()
    }

    fn learn(&mut self) -> Result<(), Failure> {
        self.state.learn(self.graph).map_err(|(factor, reason)| Failure {
            factor,
            port: reason.port(),
            event: Event::Breakdown(reason),
        })
    }

    fn sweep_once(&mut self, figures: &mut SweepFigures) -> Result<(), Failure> {
        let updates = core::mem::take(&mut self.sweep);
        let result = updates.iter().try_for_each(|u| self.update(u, Some(figures)));
        self.sweep = updates;
        result
    }

    fn update(
        &mut self,
        update: &Update,
        figures: Option<&mut SweepFigures>,
    ) -> Result<(), Failure> {
        let factor = update.factor.index();
        let untold = !self.swept && self.state.is_untold(self.graph, factor);
        match self.update_told(update, figures) {
            Err(Failure { event: Event::Breakdown(reason), .. })
                if untold && reason.is_for_want_of_news() =>
            {
                self.silent.get_or_insert(factor);
                Ok(())
            }
            result => result,
        }
    }

    fn update_told(
        &mut self,
        update: &Update,
        mut figures: Option<&mut SweepFigures>,
    ) -> Result<(), Failure> {
        let factor = update.factor.index();
        let failed = |port: usize, event: Event| Failure { factor, port, event };
        self.state
            .beliefs(self.graph, factor, &update.ports)
            .map_err(|breakdown| failed(breakdown.port(), Event::Breakdown(breakdown)))?;
        for &port in &update.ports {
            let edge = self.send(factor, port).map_err(|event| failed(port, event))?;
            if let Some(figures) = figures.as_deref_mut() {
                figures.change = larger(figures.change, edge.change);
                figures.edges.push(edge);
            }
        }
        Ok(())
    }

    /// Divides the belief by its cavity, damps, and replaces the message.
    fn send(&mut self, factor: usize, port: usize) -> Result<EdgeFigures, Event> {
        let breakdown = |b: Breakdown| Event::Breakdown(b.at_port(port));
        let e = self.graph.edge(factor, port);
        let variable = VariableId(self.graph.edges()[e].variable);
        let State { edges, divisions, factors, vacuous, scales, .. } = &mut self.state;
        let Division { candidate, extrinsic } = &mut divisions[e];
        let belief = &factors[factor].beliefs[port];
        let told = cavity(self.graph, edges, vacuous, e);
        extrinsic.divide(belief, told, &self.options, candidate).map_err(breakdown)?;
        if let Some(row) = candidate.first_non_finite() {
            return Err(breakdown(Breakdown::NotFinite { port, row }));
        }
        extrinsic.keep(belief, &edges[e].message, &self.options, candidate);
        let change = extrinsic.change(belief, &edges[e].message, candidate);
        let (moment, variance) = second_moment(belief);
        let standard_error = belief.standard_error();
        let counts = extrinsic.counts;
        let growth = scales[variable.index()].growth(moment, !self.swept);
        if growth > self.options.explosion {
            return Err(Event::Explosion { growth });
        }
        let edge = &mut edges[e];
        let damped = edge.updated || self.damping_scale < 1.0;
        let weight = if damped { edge.damping * self.damping_scale } else { 1.0 };
        if damped {
            candidate.damp(&edge.message, weight);
        }
        let remembered = edge.memory.as_mut_slice().iter_mut().zip(belief.memory().as_slice());
        remembered.for_each(|(old, new)| *old = weight * new + (1.0 - weight) * *old);
        core::mem::swap(&mut edge.message, candidate);
        edge.version += 1;
        edge.updated = true;
        Ok(EdgeFigures {
            factor: FactorId(factor),
            port,
            variable,
            precision: edge.message.precision().mean_diagonal(),
            variance,
            change,
            standard_error,
            dropped: counts.dropped,
            clamped: counts.clamped,
            bounded: counts.bounded,
            kept: counts.kept,
        })
    }

    /// Goes back to where the last completed sweep began, with more damping, or gives up.
    fn recover(&mut self, sweep: usize, failure: Failure) -> Option<Status> {
        self.state.restore();
        self.acceleration.forget();
        if self.recoveries.len() >= self.options.retries {
            return Some(self.diverged(sweep, failure));
        }
        self.damping_scale *= self.options.retry_damping;
        let Failure { factor, port, event } = failure;
        let factor = self.graph.factor_nodes()[factor].name.clone();
        self.recoveries.push(Recovery { sweep, factor, port, event });
        None
    }

    fn diverged(&self, sweep: usize, Failure { factor, port, event }: Failure) -> Status {
        let factor = self.graph.factor_nodes()[factor].name.clone();
        Status::Diverged { factor, port, sweep, reason: event }
    }

    /// The first factor that can't say what is believed of its variable, when there is one.
    fn unreadable(&mut self) -> Option<Failure> {
        let (graph, state) = (self.graph, &mut self.state);
        (0..graph.variable_nodes().len()).find_map(|v| {
            let (factor, reason) = state.variable_belief(graph, v).err()?;
            Some(Failure { factor, port: reason.port(), event: Event::Breakdown(reason) })
        })
    }

    /// The estimates of all variables. A factor that can't answer, which makes a run one that has diverged, is passed over:
    /// the product of the last good messages is read in its place.
    fn final_beliefs(&mut self) -> Result<Vec<Belief>, InferenceError> {
        let (graph, state) = (self.graph, &mut self.state);
        (0..graph.variable_nodes().len())
            .map(|v| match state.variable_belief(graph, v) {
                Ok(belief) => Ok(belief.clone()),
                Err(_) => {
                    let f = graph.edges()[graph.variable_nodes()[v].edges[0]].factor;
                    let product = state.product_belief(graph, v).cloned();
                    product.map_err(|reason| breakdown_error(graph, f, reason))
                }
            })
            .collect()
    }

    /// What is believed of a variable now.
    ///
    /// # Errors
    /// [`InferenceError::Breakdown`] when the belief doesn't exist.
    pub fn belief(&mut self, variable: VariableId) -> Result<&Belief, InferenceError> {
        let graph = self.graph;
        let belief = self.state.variable_belief(graph, variable.index());
        belief.map_err(|(factor, reason)| breakdown_error(graph, factor, reason))
    }

    /// The evidence of the model by the messages as they are: after a run that has converged, its approximation of the
    /// logarithm of the density of the data. It costs about as much as asking every factor once.
    ///
    /// # Errors
    /// [`EvidenceError`] naming the factor or variable that has none.
    pub fn evidence(&mut self) -> Result<Evidence, EvidenceError> {
        evidence::bethe(self.graph, &mut self.state)
    }
}

/// Mean over rows of `|xhat|^2 + tr C`, and mean diagonal of `C`.
fn second_moment(belief: &Belief) -> (f64, f64) {
    let layout = belief.layout();
    let (n, d) = (layout.rows() as f64, layout.columns());
    let trace: f64 = (0..layout.blocks())
        .map(|b| {
            let block = &belief.covariances()[b * d * d..(b + 1) * d * d];
            layout.range(b).len() as f64 * small::trace(block, d)
        })
        .sum();
    (belief.mean().norm_squared() / n + trace.max(0.0) / n, trace / (n * d as f64))
}

impl core::fmt::Debug for Inference<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inference")
            .field("options", &self.options)
            .field("sweep", &self.sweep)
            .field("damping_scale", &self.damping_scale)
            .field("recoveries", &self.recoveries)
            .finish_non_exhaustive()
    }
}
