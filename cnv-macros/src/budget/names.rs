//! The names that blocks inside a function declare. The check of what it spends stands outside of them, and would look up
//! another function than the one that is called.

use syn::{Block, Item, Path, Stmt, UseTree};

/// Stands for every name, where a `use` takes in all of a module.
const ANY_NAME: &str = "*";

/// What the blocks around a place declare, the outermost left out.
#[derive(Default)]
pub(super) struct InnerNames(Vec<Vec<String>>);

impl InnerNames {
    pub(super) fn enter(&mut self, block: &Block) {
        self.0.push(declared_names(block));
    }

    pub(super) fn leave(&mut self) {
        self.0.pop();
    }

    /// Whether one of the blocks declares the name that `path` begins with.
    pub(super) fn declare(&self, path: &Path) -> bool {
        let Some(first) = path.segments.first() else {
            return false;
        };
        path.leading_colon.is_none()
            && self
                .0
                .iter()
                .flatten()
                .any(|name| first.ident == name || name == ANY_NAME)
    }
}

/// The names that the items of a block declare.
fn declared_names(block: &Block) -> Vec<String> {
    let mut names = Vec::new();
    for stmt in &block.stmts {
        match stmt {
            Stmt::Item(Item::Use(item)) => used_names(&item.tree, &mut names),
            Stmt::Item(Item::Fn(item)) => names.push(item.sig.ident.to_string()),
            Stmt::Item(Item::Mod(item)) => names.push(item.ident.to_string()),
            Stmt::Item(Item::Enum(item)) => names.push(item.ident.to_string()),
            Stmt::Item(Item::Struct(item)) => names.push(item.ident.to_string()),
            Stmt::Item(Item::Union(item)) => names.push(item.ident.to_string()),
            Stmt::Item(Item::Type(item)) => names.push(item.ident.to_string()),
            Stmt::Item(Item::Trait(item)) => names.push(item.ident.to_string()),
            Stmt::Item(Item::ExternCrate(item)) => {
                let rename = item.rename.as_ref().map(|(_, name)| name);
                names.push(rename.unwrap_or(&item.ident).to_string());
            }
            _ => {}
        }
    }
    names
}

fn used_names(tree: &UseTree, names: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => used_names(&path.tree, names),
        UseTree::Name(name) => names.push(name.ident.to_string()),
        UseTree::Rename(rename) => names.push(rename.rename.to_string()),
        UseTree::Glob(_) => names.push(ANY_NAME.to_owned()),
        UseTree::Group(group) => {
            for tree in &group.items {
                used_names(tree, names);
            }
        }
    }
}
