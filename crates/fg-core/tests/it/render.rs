//! The graph as text.

use fg_core::{GraphBuilder, Rows};

use crate::rows_models::{Sign, Weighted};

fn graph() -> fg_core::Graph {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("the \"x\"", 2, 1);
    builder.prior("prior", x, Sign);
    let data = Rows::from_vec(2, 2, vec![0.0, 1.0, 0.0, 1.0]).unwrap();
    builder.likelihood("noise", x, data, Weighted);
    builder.build().unwrap()
}

#[test]
fn graphviz_shows_shapes_and_directions() {
    let expected = r#"graph factor_graph {
  rankdir=LR;
  v0 [shape=ellipse, label="the \"x\"\n2 x 1"];
  f0 [shape=box, label="prior\nsign"];
  f1 [shape=box, label="noise\nweighted noise"];
  f0 -- v0;
  v0 -- f1;
}
"#;
    assert_eq!(graph().to_graphviz(), expected);
}

#[test]
fn mermaid_shows_the_same() {
    let expected = r#"graph LR
  v0(("the &quot;x&quot;<br>2 x 1"))
  f0["prior<br>sign"]
  f1["noise<br>weighted noise"]
  f0 --- v0
  v0 --- f1
"#;
    assert_eq!(graph().to_mermaid(), expected);
}
