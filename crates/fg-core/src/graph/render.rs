//! The graph as text for Graphviz and Mermaid: circles are variables, boxes are factors.

use core::fmt::Write;

use super::Graph;
use crate::factor::Role;

impl Graph {
    /// The graph in Graphviz's language; `dot -Tsvg` draws it.
    #[must_use]
    pub fn to_graphviz(&self) -> String {
        let mut out = String::from("graph factor_graph {\n  rankdir=LR;\n");
        for v in 0..self.variables.len() {
            let label = quoted(&self.variable_label(v), "\\n");
            push(&mut out, format_args!("  v{v} [shape=ellipse, label=\"{label}\"];\n"));
        }
        for f in 0..self.factors.len() {
            let label = quoted(&self.factor_label(f), "\\n");
            push(&mut out, format_args!("  f{f} [shape=box, label=\"{label}\"];\n"));
        }
        for edge in &self.edges {
            let port = &self.factors[edge.factor].ports[edge.port];
            let (f, v) = (edge.factor, edge.variable);
            match port.role {
                Role::Produced => push(&mut out, format_args!("  f{f} -- v{v};\n")),
                Role::Given => push(&mut out, format_args!("  v{v} -- f{f};\n")),
            }
        }
        out.push_str("}\n");
        out
    }

    /// The graph in Mermaid's language, as Markdown pages draw it.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("graph LR\n");
        for v in 0..self.variables.len() {
            let label = escaped(&self.variable_label(v));
            push(&mut out, format_args!("  v{v}((\"{label}\"))\n"));
        }
        for f in 0..self.factors.len() {
            let label = escaped(&self.factor_label(f));
            push(&mut out, format_args!("  f{f}[\"{label}\"]\n"));
        }
        for edge in &self.edges {
            let port = &self.factors[edge.factor].ports[edge.port];
            let (f, v) = (edge.factor, edge.variable);
            match port.role {
                Role::Produced => push(&mut out, format_args!("  f{f} --- v{v}\n")),
                Role::Given => push(&mut out, format_args!("  v{v} --- f{f}\n")),
            }
        }
        out
    }

    fn variable_label(&self, v: usize) -> String {
        let Self { variables, .. } = self;
        let layout = &variables[v].layout;
        format!("{}\n{} x {}", variables[v].name, layout.rows(), layout.columns())
    }

    fn factor_label(&self, f: usize) -> String {
        format!("{}\n{}", self.factors[f].name, self.factors[f].factor.name())
    }
}

/// Writing to a string can't fail.
fn push(out: &mut String, text: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn quoted(label: &str, line_break: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', line_break)
}

fn escaped(label: &str) -> String {
    label.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('\n', "<br>")
}
