//! The truth decides what a run is measured against: laws of all variables, drawn or propagated from the factors.

use core::any::Any;

use super::Evolution;
use super::atoms::{atoms, passes};
use super::entries::of_entries;
use super::error::EvolutionError;
use super::innovation::{pseudo_inverse, roots};
use super::linear::LinearNode;
use super::low_rank::LowRankNode;
use super::marginal::Marginal;
use super::node::Node;
use super::points::{Points, places};
use super::port::{Port, add_product, mean, second_moment};
use super::rowwise::{Average, Kind, RowwiseNode};
use super::scalar::Scalar;
use super::spectrum::Spectrum;
use crate::denoiser::{
    Channel, Denoiser, Estimation, GaussianRow, Law, Likelihood, Scratch, model_of,
};
use crate::factor::{
    ChannelFactor, LikelihoodFactor, LinearEntries, LinearFactor, LowRankFactor, PriorFactor, Role,
    Uniforms,
};
use crate::graph::{FactorId, Graph};
use crate::message::{ColumnForm, small};
use crate::rows::Rows;

/// Grids of scalar priors have so many times the points of other row integrals: their rows are cheap, and sparse laws
/// with little noise need them.
const GRID_POINTS: usize = 4;

/// Grid for the moments of a law of one uniform: the rule converges exponentially.
const MOMENT_POINTS: usize = 1024;
/// Points of a factor whose rows only show that it is Gaussian.
const FEWEST_POINTS: usize = 16;

/// A factor by its kind.
pub(super) enum Anatomy<'g> {
    Prior(&'g dyn Denoiser),
    Likelihood(&'g LikelihoodFactor),
    Channel(&'g dyn Channel),
    Linear(&'g LinearFactor),
    LowRank(&'g LowRankFactor),
    Entries(&'g LinearFactor),
}

/// What a factor is, where it can be followed.
pub(super) fn anatomy(graph: &Graph, factor: usize) -> Option<Anatomy<'_>> {
    let any: &dyn Any = &*graph.factor_nodes()[factor].factor;
    if let Some(prior) = any.downcast_ref::<PriorFactor>() {
        return Some(Anatomy::Prior(prior.denoiser()));
    }
    if let Some(likelihood) = any.downcast_ref::<LikelihoodFactor>() {
        return Some(Anatomy::Likelihood(likelihood));
    }
    if let Some(channel) = any.downcast_ref::<ChannelFactor>() {
        return Some(Anatomy::Channel(channel.channel()));
    }
    if let Some(product) = any.downcast_ref::<LowRankFactor>() {
        return Some(Anatomy::LowRank(product));
    }
    if let Some(entries) = any.downcast_ref::<LinearEntries>() {
        return Some(Anatomy::Entries(entries.of_entries()));
    }
    any.downcast_ref::<LinearFactor>().map(Anatomy::Linear)
}

/// What the caller gave for a factor; of several the last.
pub(super) fn given<T>(all: &[(FactorId, T)], factor: usize) -> Option<&T> {
    all.iter().rev().find(|(f, _)| f.index() == factor).map(|(_, given)| given)
}

/// Mean and second moment of the true rows of a variable.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub(super) mean: Vec<f64>,
    pub(super) second: Vec<f64>,
}

impl Moments {
    /// `E[x0' x0] - E[x0]' E[x0]`.
    pub(super) fn covariance(&self) -> Vec<f64> {
        let d = self.mean.len();
        let entry = |(k, m): (usize, &f64)| m - self.mean[k / d] * self.mean[k % d];
        self.second.iter().enumerate().map(entry).collect()
    }

    fn of(rows: &Rows, weights: &[f64]) -> Self {
        Self { mean: mean(rows, weights), second: second_moment(rows, rows, weights) }
    }
}

/// Makes the nodes in the order in which the model draws data.
pub(super) struct Setup<'e, 'g> {
    evolution: &'e Evolution<'g>,
    moments: Vec<Option<Moments>>,
    matched: bool,
}

/// All nodes of a graph, and the moments of the truth.
pub(super) struct Nodes<'g> {
    pub(super) nodes: Vec<Node<'g>>,
    pub(super) moments: Vec<Moments>,
}

impl<'e, 'g> Setup<'e, 'g> {
    pub(super) fn nodes(
        evolution: &'e Evolution<'g>,
        matched: bool,
    ) -> Result<Nodes<'g>, EvolutionError> {
        let graph = evolution.graph;
        let named = |v: usize| graph.variable_nodes()[v].name.clone();
        let order =
            graph.generative_order().map_err(|v| EvolutionError::Order { variable: named(v) })?;
        let moments = vec![None; graph.variable_nodes().len()];
        let mut setup = Self { evolution, moments, matched };
        let mut nodes: Vec<Option<Node<'g>>> =
            (0..graph.factor_nodes().len()).map(|_| None).collect();
        for f in order {
            nodes[f] = Some(setup.node(f)?);
        }
        let nodes = nodes.into_iter().flatten().collect();
        let moments = setup.moments.into_iter().flatten().collect();
        Ok(Nodes { nodes, moments })
    }

    fn graph(&self) -> &'g Graph {
        self.evolution.graph
    }

    fn variable(&self, factor: usize, port: usize) -> usize {
        self.graph().edges()[self.graph().edge(factor, port)].variable
    }

    fn port(&self, factor: usize, port: usize, truth: Rows, points: &Points) -> Port {
        let variable = self.variable(factor, port);
        let form = self.graph().variable_nodes()[variable].layout.form();
        Port::new(truth, points.weights().to_vec(), form, true)
    }

    fn node(&mut self, factor: usize) -> Result<Node<'g>, EvolutionError> {
        let seed = u32::try_from(factor).unwrap_or(u32::MAX);
        let mut points = Points::new(self.evolution.points, seed);
        let name = || self.graph().factor_nodes()[factor].name.clone();
        let Some(anatomy) = anatomy(self.graph(), factor) else {
            return Err(EvolutionError::Unfollowed { factor: name() });
        };
        Ok(match anatomy {
            Anatomy::Prior(denoiser) => {
                let variable = self.variable(factor, 0);
                let scalar = self.scalar(factor, denoiser);
                if let Some(grid) = self.grid(factor, denoiser, scalar.is_some()) {
                    points = grid;
                }
                let (truth, places) = self.prior_rows(factor, &mut points)?;
                let exact = self.gaussian_moments(factor, denoiser);
                let moments = exact.unwrap_or_else(|| Moments::of(&truth, points.weights()));
                self.produce(variable, moments);
                let ports = vec![self.port(factor, 0, truth, &points)];
                let data = Rows::default();
                let mut node = RowwiseNode::new(Kind::Prior(denoiser), ports, data, places, points);
                let exact = scalar.map(|scalar| Average::Scalar(Box::new(scalar), denoiser));
                node.follow_exactly(exact);
                Node::Rowwise(Box::new(node))
            }
            Anatomy::Likelihood(likelihood) => {
                let plain = self.is_plain(factor, likelihood);
                let marginal = (!plain).then(|| self.marginal(factor, likelihood.likelihood()));
                let marginal = marginal.flatten();
                if plain || marginal.is_some() {
                    points = Points::new(FEWEST_POINTS, seed);
                }
                let truth = self.sample(self.variable(factor, 0), &mut points)?;
                let own = given(&self.evolution.likelihoods, factor).and_then(|own| own.rows());
                let rows = likelihood.likelihood().rows().or(own);
                let places = rows.map(|n| places(n, &mut points));
                let data = self.data(factor, likelihood, &truth, places.as_deref(), &mut points)?;
                let ports = vec![self.port(factor, 0, truth, &points)];
                let own = likelihood.likelihood();
                let mut node = RowwiseNode::new(Kind::Likelihood(own), ports, data, places, points);
                let exact = marginal.map(|marginal| Average::Marginal(Box::new(marginal), own));
                node.follow_exactly(exact);
                Node::Rowwise(Box::new(node))
            }
            Anatomy::Channel(channel) => {
                let (input, output) = self.through_channel(factor, &mut points)?;
                self.produce(self.variable(factor, 1), Moments::of(&output, points.weights()));
                let ports = vec![
                    self.port(factor, 0, input, &points),
                    self.port(factor, 1, output, &points),
                ];
                let kind = Kind::Channel(channel);
                let data = Rows::default();
                Node::Rowwise(Box::new(RowwiseNode::new(kind, ports, data, None, points)))
            }
            Anatomy::Linear(linear) => self.linear(factor, linear)?,
            Anatomy::LowRank(product) => self.low_rank(factor, product)?,
            Anatomy::Entries(linear) => self.entries(factor, linear)?,
        })
    }

    /// What a prior draws where it is one Gaussian for all rows, and no other law is true.
    fn gaussian_moments(&self, factor: usize, denoiser: &dyn Denoiser) -> Option<Moments> {
        denoiser.law()?;
        if given(&self.evolution.laws, factor).is_some() {
            return None;
        }
        let d = self.graph().variable_nodes()[self.variable(factor, 0)].layout.columns();
        let row = denoiser.gaussian(0, d).filter(|row| !row.known)?;
        let mut second = pseudo_inverse(&row.precision, d);
        let mut mean = vec![0.0; d];
        small::row_times(&row.natural, &second, &mut mean, d);
        second.iter_mut().enumerate().for_each(|(k, m)| *m += mean[k / d] * mean[k % d]);
        Some(Moments { mean, second })
    }

    /// The true law of a prior's variable, where it is one for all rows.
    fn law(&self, factor: usize, denoiser: &'g dyn Denoiser) -> Option<&dyn Law> {
        given(&self.evolution.laws, factor).map(|law| &**law as &dyn Law).or_else(|| denoiser.law())
    }

    /// The same where it is piecewise smooth in one uniform, and where it jumps.
    fn piecewise(&self, factor: usize, denoiser: &'g dyn Denoiser) -> Option<(&dyn Law, Vec<f64>)> {
        let law = self.law(factor, denoiser)?;
        let jumps = law.jumps().filter(|_| law.uniforms(1) == 1)?;
        Some((law, jumps))
    }

    fn is_scalar(&self, factor: usize, denoiser: &dyn Denoiser) -> bool {
        let variable = &self.graph().variable_nodes()[self.variable(factor, 0)];
        variable.layout.columns() == 1 && denoiser.rows().is_none()
    }

    /// The integral that a matched scalar prior is followed by, where it knows its log-partition function.
    fn scalar(&self, factor: usize, denoiser: &'g dyn Denoiser) -> Option<Scalar> {
        if !self.matched || self.evolution.samples || !self.is_scalar(factor, denoiser) {
            return None;
        }
        let (law, jumps) = self.piecewise(factor, denoiser)?;
        let mut points = Points::grid(&jumps, MOMENT_POINTS);
        let (truth, _) = self.prior_rows(factor, &mut points).ok()?;
        Scalar::new(law, denoiser, (truth.into_vec(), points.weights().to_vec()))
    }

    /// The integral over its data that a matched likelihood of rows behind an operator is followed by, where it has one.
    fn marginal(&self, factor: usize, likelihood: &dyn Likelihood) -> Option<Marginal> {
        let variable = self.variable(factor, 0);
        let producer = self.producer(variable).and_then(|f| anatomy(self.graph(), f));
        let normal = matches!(producer, Some(Anatomy::Linear(_) | Anatomy::Entries(_)));
        let follows = self.matched && !self.evolution.samples && likelihood.rows().is_none();
        if !(follows && normal && likelihood.has_density()) {
            return None;
        }
        let moments = self.moments_of(variable).ok()?;
        Marginal::new(likelihood, &moments, self.evolution.points, &mut Scratch::default())
    }

    /// A grid in place of points, where a scalar prior's law is piecewise smooth in one uniform and the noise of one
    /// sweep is all that there is beside it; a coarse one where only the moments of the law are needed.
    fn grid(&self, factor: usize, denoiser: &'g dyn Denoiser, coarse: bool) -> Option<Points> {
        // An estimator that looks at all rows together averages over them as if they counted the same.
        let separable = denoiser.separable();
        if !separable || !self.is_scalar(factor, denoiser) || self.evolution.is_joint() {
            return None;
        }
        let (law, mut cuts) = self.piecewise(factor, denoiser)?;
        if coarse {
            return Some(Points::grid(&cuts, MOMENT_POINTS));
        }
        let assumed = denoiser.law().filter(|law| law.uniforms(1) == 1);
        let spikes: Vec<f64> = assumed.into_iter().chain([law]).flat_map(atoms).collect();
        cuts.extend(passes(law, &cuts, &spikes));
        cuts.sort_by(f64::total_cmp);
        Some(Points::grid(&cuts, GRID_POINTS * self.evolution.points))
    }

    /// Whether the likelihood is Gaussian as assumed, and its message one that its variable can carry: no row is ever
    /// estimated.
    fn is_plain(&self, factor: usize, likelihood: &LikelihoodFactor) -> bool {
        let layout = &self.graph().variable_nodes()[self.variable(factor, 0)].layout;
        let likelihood = likelihood.likelihood();
        let row = likelihood.gaussian(&vec![0.0; likelihood.outputs(layout.columns())]);
        let holds =
            |row: GaussianRow| !row.known && layout.form().holds(&row.precision, layout.columns());
        let mmse = likelihood.estimation() == Estimation::Mmse;
        mmse && row.is_some_and(holds) && given(&self.evolution.likelihoods, factor).is_none()
    }

    fn linear(&mut self, factor: usize, linear: &LinearFactor) -> Result<Node<'g>, EvolutionError> {
        let spectrum = self.spectrum(factor, linear)?;
        let [x, z] = [0, 1].map(|p| self.variable(factor, p));
        let input = self.moments_of(x)?;
        let bias = linear.bias().map(<[f64]>::to_vec);
        let d = input.mean.len();
        let mean = bias.clone().unwrap_or_else(|| vec![0.0; d]);
        let power = spectrum.output_power();
        let second: Vec<f64> = input
            .second
            .iter()
            .enumerate()
            .map(|(k, m)| power * m + mean[k / d] * mean[k % d])
            .collect();
        self.produce(z, Moments { mean, second });
        let forms = [x, z].map(|v| self.graph().variable_nodes()[v].layout.form());
        let node = LinearNode::new(&spectrum, bias, forms, &input, self.matched);
        Ok(Node::Linear(Box::new(node)))
    }

    fn low_rank(&self, factor: usize, own: &LowRankFactor) -> Result<Node<'g>, EvolutionError> {
        let variables: Vec<usize> =
            (0..if own.is_symmetric() { 1 } else { 2 }).map(|p| self.variable(factor, p)).collect();
        let truths: Result<Vec<Moments>, _> =
            variables.iter().map(|v| self.moments_of(*v)).collect();
        let form = |v: &usize| self.graph().variable_nodes()[*v].layout.form();
        let forms: Vec<ColumnForm> = variables.iter().map(form).collect();
        let noise = given(&self.evolution.noises, factor).copied().unwrap_or(own.variance());
        let joint = self.evolution.is_joint();
        Ok(Node::LowRank(Box::new(LowRankNode::new(own, noise, &forms, &truths?, joint))))
    }

    fn entries(
        &mut self,
        factor: usize,
        linear: &LinearFactor,
    ) -> Result<Node<'g>, EvolutionError> {
        let spectrum = self.spectrum(factor, linear)?;
        let [x, z] = [0, 1].map(|p| self.variable(factor, p));
        let input = self.moments_of(x)?;
        let mut output = of_entries(&input);
        output.second.iter_mut().for_each(|m| *m *= spectrum.output_power());
        self.produce(z, output);
        let output = self.moments_of(z)?;
        let forms = [x, z].map(|v| self.graph().variable_nodes()[v].layout.form());
        let node = LinearNode::over_entries(&spectrum, forms, [&input, &output], self.matched);
        Ok(Node::Linear(Box::new(node)))
    }

    /// The caller's moments of a variable win over those propagated.
    fn produce(&mut self, variable: usize, moments: Moments) {
        let own = self.evolution.moments.iter().rev().find(|(v, _)| v.index() == variable);
        self.moments[variable] = Some(own.map_or(moments, |(_, own)| own.clone()));
    }

    fn moments_of(&self, variable: usize) -> Result<Moments, EvolutionError> {
        let order = || EvolutionError::Order {
            variable: self.graph().variable_nodes()[variable].name.clone(),
        };
        self.moments[variable].clone().ok_or_else(order)
    }

    fn spectrum(&self, factor: usize, linear: &LinearFactor) -> Result<Spectrum, EvolutionError> {
        if let Some(own) = given(&self.evolution.spectra, factor) {
            return Ok(own.clone());
        }
        if let Some(law) = linear.operator().spectrum() {
            return Ok(law);
        }
        let name = || self.graph().factor_nodes()[factor].name.clone();
        let failed = || EvolutionError::Spectrum { factor: name() };
        linear.spectrum().map_err(|_| failed())
    }

    /// Rows of the law of a prior, and the row of the variable that each stands for where rows differ.
    fn prior_rows(
        &self,
        factor: usize,
        points: &mut Points,
    ) -> Result<(Rows, Option<Vec<usize>>), EvolutionError> {
        let node = &self.graph().factor_nodes()[factor];
        let Some(Anatomy::Prior(denoiser)) = anatomy(self.graph(), factor) else {
            return Err(EvolutionError::Unfollowed { factor: node.name.clone() });
        };
        let variable = &self.graph().variable_nodes()[self.variable(factor, 0)];
        let d = variable.layout.columns();
        let own = given(&self.evolution.laws, factor).map(|law| &**law as &dyn Law);
        let count = points.rows();
        let mut uniforms = Vec::new();
        let places = denoiser.rows().map(|n| places(n, points));
        let place = |i: usize| places.as_ref().map_or(0, |p: &Vec<usize>| p[i]);
        let law = |i: usize| {
            let missing = || EvolutionError::NoLaw { factor: node.name.clone() };
            own.or_else(|| denoiser.row_law(place(i))).ok_or_else(missing)
        };
        let mut k = 0;
        for i in 0..count {
            k = law(i)?.uniforms(d).max(k);
            if places.is_none() {
                break;
            }
        }
        points.fill(count, k, &mut uniforms);
        let mut rows = Rows::zeros(count, d);
        for i in 0..count {
            let law = law(i)?;
            law.draw(&uniforms[i * k..i * k + law.uniforms(d)], rows.row_mut(i));
        }
        Ok((rows, places))
    }

    /// The factor that draws a variable.
    fn producer(&self, variable: usize) -> Option<usize> {
        let graph = self.graph();
        let edges = graph.variable_nodes()[variable].edges.iter().map(|&e| graph.edges()[e]);
        let role = |factor: usize, port: usize| graph.factor_nodes()[factor].ports[port].role;
        edges.filter(|e| role(e.factor, e.port) == Role::Produced).map(|e| e.factor).next()
    }

    /// Rows of the truth of any variable.
    fn sample(&self, variable: usize, points: &mut Points) -> Result<Rows, EvolutionError> {
        let graph = self.graph();
        let name = || graph.variable_nodes()[variable].name.clone();
        let order = || EvolutionError::Order { variable: name() };
        let producer = self.producer(variable).ok_or_else(order)?;
        match anatomy(graph, producer) {
            Some(Anatomy::Prior(_)) => Ok(self.prior_rows(producer, points)?.0),
            Some(Anatomy::Channel(_)) => Ok(self.through_channel(producer, points)?.1),
            Some(Anatomy::Linear(_) | Anatomy::Entries(_)) => {
                let moments = self.moments_of(variable)?;
                let d = moments.mean.len();
                let (root, _) = roots(&moments.covariance(), 0.0, d);
                let normal = points.normals(d);
                let mut rows = Rows::zeros(points.rows(), d);
                for i in 0..points.rows() {
                    rows.row_mut(i).copy_from_slice(&moments.mean);
                    add_product(normal.row(i), &root, rows.row_mut(i));
                }
                Ok(rows)
            }
            Some(Anatomy::Likelihood(_) | Anatomy::LowRank(_)) | None => Err(order()),
        }
    }

    /// Rows of input and output of a channel.
    fn through_channel(
        &self,
        factor: usize,
        points: &mut Points,
    ) -> Result<(Rows, Rows), EvolutionError> {
        let node = &self.graph().factor_nodes()[factor];
        let missing = || EvolutionError::NoLaw { factor: node.name.clone() };
        let input = self.sample(self.variable(factor, 0), points)?;
        let own = given(&self.evolution.channels, factor);
        let channel = match (own, anatomy(self.graph(), factor)) {
            (Some(own), _) => &**own,
            (None, Some(Anatomy::Channel(channel))) => channel,
            _ => return Err(missing()),
        };
        let k = channel.uniforms(input.columns()).ok_or_else(missing)?;
        let columns = channel.output_columns(input.columns()).ok_or_else(missing)?;
        let (mut uniforms, mut output) = (Vec::new(), Rows::zeros(points.rows(), columns));
        points.fill(points.rows(), k, &mut uniforms);
        for i in 0..points.rows() {
            channel.draw(input.row(i), &uniforms[i * k..(i + 1) * k], output.row_mut(i));
        }
        Ok((input, output))
    }

    /// Data for rows of truth.
    fn data(
        &self,
        factor: usize,
        likelihood: &LikelihoodFactor,
        truth: &Rows,
        places: Option<&[usize]>,
        points: &mut Points,
    ) -> Result<Rows, EvolutionError> {
        let own = given(&self.evolution.likelihoods, factor);
        let law = own.map_or(likelihood.likelihood(), |own| &**own);
        let name = || self.graph().factor_nodes()[factor].name.clone();
        let d = truth.columns();
        let k = law.uniforms(d).ok_or_else(|| EvolutionError::NoLaw { factor: name() })?;
        let outputs = law.outputs(d);
        let expected = likelihood.likelihood().outputs(d);
        if outputs != expected {
            let what = "the data of a likelihood";
            return Err(EvolutionError::Columns { what, expected, found: outputs });
        }
        let (mut uniforms, mut data) = (Vec::new(), Rows::zeros(points.rows(), outputs));
        points.fill(points.rows(), k, &mut uniforms);
        for i in 0..points.rows() {
            let model = model_of(law, places.map_or(0, |places| places[i]));
            let needed = model.uniforms(d).unwrap_or(k).min(k);
            model.draw(truth.row(i), &uniforms[i * k..i * k + needed], data.row_mut(i));
        }
        Ok(data)
    }
}
