"""Makes diabetes.csv from the diabetes data that scikit-learn ships: see README.md beside this file."""

import csv

from sklearn.datasets import load_diabetes

data = load_diabetes(scaled=False)
with open("diabetes.csv", "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow([*data.feature_names, "progression"])
    for row, target in zip(data.data, data.target):
        table.writerow([f"{value:g}" for value in [*row, target]])
