//! What random matrix theory says of a direction in noise: how large it is, and how much of it is found.

/// Smallest signal-to-noise ratio of a direction, one being where it begins to tell anything: below, a run would start
/// at zero, where a symmetric model stays.
const FAINTEST: f64 = 1.1;

/// A direction as a message: the factor to the values of its observation, and the precision of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) precision: f64,
    pub(super) size: f64,
}

/// What the Gaussian fixed point finds of a direction: its variance, and the part of it that is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spike {
    pub(super) variance: f64,
    pub(super) share: f64,
}

impl Spike {
    /// Of symmetric data of `n` rows, with entries of this variance; no fainter than directions are taken for.
    pub(super) fn symmetric(n: f64, noise: f64, variance: f64) -> Self {
        let variance = variance.max((FAINTEST * noise / n).sqrt());
        Self { variance, share: 1.0 - noise / (n * variance * variance) }
    }

    /// Of both sides of other data, with entries whose variances have this `product`: the data tell no more of them, and what
    /// the priors say of the two shares it out.
    pub(super) fn rectangular(
        [m, n]: [f64; 2],
        noise: f64,
        own: [f64; 2],
        product: f64,
    ) -> [Self; 2] {
        let product = product.max((FAINTEST / (m * n)).sqrt() * noise);
        let (a, b) = (m * product / noise, n * product / noise);
        let scale = (product / (own[0] * own[1])).sqrt();
        [(a, own[0]), (b, own[1])].map(|(ratio, own)| Self {
            variance: scale * own,
            share: (a * b - 1.0) / (ratio + a * b),
        })
    }

    /// The precision of what is found as an observation.
    pub(super) fn precision(self) -> f64 {
        self.share / ((1.0 - self.share) * self.variance)
    }

    /// As a message.
    pub(super) fn column(self) -> Column {
        Column { precision: self.precision(), size: self.share.recip() }
    }
}
