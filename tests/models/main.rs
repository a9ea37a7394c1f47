//! Models against what is published or known of them.

mod linear;
mod perceptron;
