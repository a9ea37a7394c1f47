"""Makes two_layer_small.npz from the diabetes data that scikit-learn ships: see README.md beside this file."""

import numpy as np
from sklearn.datasets import load_diabetes

HIDDEN_PAIRS = 2
TRAIN = 342
NOISE_SHARE = 0.5

inputs, target = load_diabetes(return_X_y=True, scaled=False)
order = np.random.default_rng(0).permutation(len(target))
inputs, target = inputs[order], target[order]

# Standardised by the training part alone. Columns of variance 1 / N_in make a hidden unit with weights of variance 1
# have variance 1.
mean, deviation = inputs[:TRAIN].mean(axis=0), inputs[:TRAIN].std(axis=0)
inputs = (inputs - mean) / deviation / np.sqrt(inputs.shape[1])
centre, scale = target[:TRAIN].mean(), target[:TRAIN].std()
target = ((target - centre) / scale)[:, None]

# Pairs of units with opposite output weights: relu(a) - relu(b) reaches every sign and cancels in the mean.
output_weights = np.array([1.0, -1.0] * HIDDEN_PAIRS)[:, None]

np.savez_compressed(
    "two_layer_small.npz",
    X=inputs[:TRAIN],
    Y=target[:TRAIN],
    W2=output_weights,
    b2=np.zeros(1),
    X_test=inputs[TRAIN:],
    Y_test=target[TRAIN:],
    noise_variance=np.float64(NOISE_SHARE),
)
