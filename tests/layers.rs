//! Imports point down: every path in the sources is held against the floor plan.
//!
//! A path is followed through `use`, `pub use`, renames, globs, `self` and `super`, and read in
//! declarations, types, expressions, attributes and the tokens of macros. What `#[cfg(test)]` hides
//! may import anything, and so may the root, which does nothing but re-export; inside the crate its
//! re-exports are not used, so that each thing has one path.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{Attribute, Item, UseTree, Visibility, spanned::Spanned, visit::Visit};

/// Floors 0 to 3, from the bottom up: a module imports only from the lines above its own in this
/// list, never from its neighbors in a line.
const TYPES: &[&str] = &[
    // Floor 0
    "error",
    "clock",
    "address encoding fault id retry secret together",
    // Floor 1
    "name",
    // Floor 2
    "record",
    "zone",
    // Floor 3
    "evidence",
    "challenge",
    "certificate registration",
    "domain",
    "diagnosis",
];

/// The folders of floor 4. The `mod.rs` of each is a [`Place::Trait`], each other file or folder a
/// [`Place::Backend`].
const TRAITS: &str = "store resolver probe dns ca registrar mail keys seal";

/// Files beside a `mod.rs` of floor 4 that are part of the contract there, as `folder::file`: they
/// are on floor 4a, not 4b.
const CONTRACTS: &str = "ca::signer probe::proof probe::redirect store::check store::item";

/// What each place above floor 3 may import, besides itself. None imports from its own kind: a
/// backend knows no other backend, a trait no other trait.
const PLAN: &[(&str, &str)] = &[
    // Floor 4a
    ("a trait", "types"),
    // Floor 4b
    ("transport", "types, a trait"),
    ("a backend", "types, a trait, transport"),
    // Floor 5
    ("engine", "types, a trait"),
    // Floor 6
    ("api", "types, engine"),
    ("serve", "types, transport, engine"),
    ("webhook", "types, transport, engine"),
    // Beside the house
    ("conformance", "types, a trait"),
    ("testkit", "types, a trait, a backend, transport, engine"),
];

/// Where a module stands in the plan.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    /// A line of [`TYPES`], and the module.
    Types(usize, String),
    /// The `mod.rs` of a folder of [`TRAITS`].
    Trait(String),
    /// Another file or folder in a folder of [`TRAITS`].
    Backend(String, String),
    /// A module that [`PLAN`] names.
    Room(String),
}

impl Place {
    /// Returns the name of this place's row or column in [`PLAN`].
    fn kind(&self) -> &str {
        match self {
            Self::Types(..) => "types",
            Self::Trait(_) => "a trait",
            Self::Backend(..) => "a backend",
            Self::Room(name) => name,
        }
    }

    /// Whether the plan lets this place import from `other`.
    fn may_import(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        match (self, other) {
            (Self::Types(line, _), Self::Types(lower, _)) => lower < line,
            (Self::Types(..), _) => false,
            _ => PLAN.iter().any(|(kind, columns)| {
                *kind == self.kind() && columns.split(", ").any(|column| column == other.kind())
            }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Types(_, name) | Self::Room(name) => f.write_str(name),
            Self::Trait(folder) => write!(f, "{folder} (its traits)"),
            Self::Backend(folder, name) => write!(f, "{folder}::{name} (a backend)"),
        }
    }
}

/// A path from the root of the crate, without `crate`.
type Absolute = Vec<String>;

/// What a first pass over the sources finds.
#[derive(Default)]
struct Names {
    /// Every module that is not only for tests, files and inline.
    modules: BTreeSet<Absolute>,
    /// The modules that are files.
    files: BTreeSet<Absolute>,
    /// Files that only tests are compiled with.
    tests: BTreeSet<Absolute>,
    /// What a `use` binds: the module that it is in and the name, to the paths as written there.
    bound: BTreeMap<(Absolute, String), Vec<Vec<String>>>,
    /// Where each macro that `#[macro_export]` puts into the root is defined.
    macros: BTreeMap<String, Absolute>,
}

impl Names {
    /// Returns the place of what is at `path`, or `None` if the plan has no such top-level module.
    fn place(&self, path: &[String]) -> Option<Place> {
        let top = path.first()?.as_str();
        if let Some(line) = TYPES.iter().position(|line| line.split(' ').any(|name| name == top)) {
            return Some(Place::Types(line, top.into()));
        }
        if PLAN.iter().any(|(name, _)| *name == top) {
            return Some(Place::Room(top.into()));
        }
        if !TRAITS.split(' ').any(|name| name == top) {
            return None;
        }
        if let [folder, file, ..] = path
            && self.files.contains(&path[..2])
            && !CONTRACTS.split(' ').any(|contract| contract == format!("{folder}::{file}"))
        {
            return Some(Place::Backend(folder.clone(), file.clone()));
        }
        Some(Place::Trait(top.into()))
    }

    /// Returns all that `path`, as written in `module`, may stand for: nothing if it does not point
    /// into the crate.
    fn resolve(&self, module: &[String], path: &[String]) -> Vec<Absolute> {
        let mut found = Vec::new();
        self.resolve_into(module, path, &mut found, &mut BTreeSet::new());
        found
    }

    /// Adds what `path` may stand for to `found`. `seen` ends a `use` that leads to itself.
    fn resolve_into(
        &self,
        module: &[String],
        path: &[String],
        found: &mut Vec<Absolute>,
        seen: &mut BTreeSet<(Absolute, Vec<String>)>,
    ) {
        // `use a::a;` leads to ever longer paths.
        if seen.len() > 32 || !seen.insert((module.to_vec(), path.to_vec())) {
            return;
        }
        let [first, rest @ ..] = path else { return };
        match first.as_str() {
            "crate" | "nameplate" => self.follow(Vec::new(), rest, found, seen),
            "self" => self.follow(module.to_vec(), rest, found, seen),
            "super" => {
                let mut module = module.to_vec();
                module.pop();
                match rest.first().map(String::as_str) {
                    Some("super") => self.resolve_into(&module, rest, found, seen),
                    _ => self.follow(module, rest, found, seen),
                }
            }
            _ => {
                // A module alone is no value and no type: a lone name that looks like one is a
                // variable.
                let child = !rest.is_empty() && self.is_child(module, first);
                if child || self.bound.contains_key(&(module.to_vec(), first.clone())) {
                    self.follow(module.to_vec(), path, found, seen);
                }
            }
        }
    }

    /// Whether `module` has a child module called `name`.
    fn is_child(&self, module: &[String], name: &str) -> bool {
        self.modules.contains(&[module, &[name.to_owned()]].concat())
    }

    /// Walks from `at` along `rest`, through every re-export on the way.
    fn follow(
        &self,
        mut at: Absolute,
        rest: &[String],
        found: &mut Vec<Absolute>,
        seen: &mut BTreeSet<(Absolute, Vec<String>)>,
    ) {
        for (index, name) in rest.iter().enumerate() {
            // The re-exports of the root are not followed: using one is a violation of its own.
            if let (false, Some(targets)) =
                (at.is_empty(), self.bound.get(&(at.clone(), name.clone())))
            {
                for target in targets {
                    let path = [target, &rest[index + 1..]].concat();
                    let before = found.len();
                    self.resolve_into(&at, &path, found, seen);
                    // A name from another crate leads nowhere here, but asking `at` for it counts.
                    if found.len() == before {
                        found.push(at.clone());
                    }
                }
                return;
            }
            at.push(name.clone());
        }
        found.push(at);
    }
}

/// Whether `attributes` keep an item out of everything but tests.
fn only_for_tests(attributes: &[Attribute]) -> bool {
    fn requires_test(meta: &syn::Meta) -> bool {
        match meta {
            syn::Meta::Path(path) => path.is_ident("test"),
            syn::Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(
                    syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated,
                )
                .is_ok_and(|metas| metas.iter().any(requires_test)),
            _ => false,
        }
    }
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Meta>().is_ok_and(|meta| requires_test(&meta))
    })
}

/// Returns the attributes of an item.
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// A leaf of a `use` declaration.
struct Leaf {
    /// The path, without the `*` of a glob.
    path: Vec<String>,
    /// The name that it binds here, if any.
    name: Option<String>,
    /// Whether it ends in `*`.
    glob: bool,
    /// Where it stands.
    span: Span,
}

/// Adds the leaves of `tree` under `prefix`.
fn leaves(tree: &UseTree, prefix: &[String], found: &mut Vec<Leaf>) {
    let extended = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &extended(&path.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, prefix, found)),
        UseTree::Glob(glob) => {
            found.push(Leaf { path: prefix.to_vec(), name: None, glob: true, span: glob.span() })
        }
        UseTree::Name(_) | UseTree::Rename(_) => {
            let (ident, name) = match tree {
                UseTree::Name(name) => (&name.ident, &name.ident),
                UseTree::Rename(rename) => (&rename.ident, &rename.rename),
                _ => unreachable!(),
            };
            // `use a::{self}` binds `a`.
            let itself = ident == "self" && !prefix.is_empty();
            let path = if itself { prefix.to_vec() } else { extended(ident) };
            let name = if itself && name == "self" {
                path.last().cloned()
            } else {
                Some(name.to_string())
            };
            found.push(Leaf {
                path,
                name: name.filter(|name| name != "_"),
                glob: false,
                span: ident.span(),
            });
        }
    }
}

/// The first pass: what names there are.
struct Collect<'a> {
    names: &'a mut Names,
    module: Absolute,
}

impl<'ast> Visit<'ast> for Collect<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if only_for_tests(attributes(item)) {
            if let Item::Mod(item) = item {
                let mut module = self.module.clone();
                module.push(item.ident.to_string());
                self.names.tests.insert(module);
            }
            return;
        }
        syn::visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        self.names.modules.insert(self.module.clone());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &[], &mut found);
        for leaf in found {
            let Some(name) = leaf.name else { continue };
            // `use x;` of a macro by its own name leads nowhere new.
            if leaf.path != [name.as_str()] {
                self.names.bound.entry((self.module.clone(), name)).or_default().push(leaf.path);
            }
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(name) = &item.ident
            && item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"))
        {
            self.names.macros.insert(name.to_string(), self.module.clone());
        }
    }
}

/// The second pass: where each path leads.
struct Check<'a> {
    names: &'a Names,
    file: &'a str,
    module: Absolute,
    violations: BTreeSet<(String, usize, String)>,
}

impl Check<'_> {
    /// Notes that something is wrong at `span`.
    fn violation(&mut self, span: Span, text: String) {
        self.violations.insert((self.file.to_owned(), span.start().line, text));
    }

    /// Holds `path`, as written at `span`, against the plan. `declares` if it is a `pub use`.
    fn path(&mut self, path: &[String], span: Span, declares: bool) {
        // The root does nothing but re-export.
        let Some(from) = self.names.place(&self.module) else { return };
        for mut target in self.names.resolve(&self.module, path) {
            let Some(top) = target.first().cloned() else { continue };
            if let Some(defined) = self.names.macros.get(&top) {
                target.clone_from(defined);
            }
            let Some(to) = self.names.place(&target) else {
                // A module without a place is reported once, not wherever it is used.
                if !self.names.modules.contains(&[top.clone()][..]) {
                    let text = format!(
                        "{from} uses crate::{top}, which is no module: name it where it lives"
                    );
                    self.violation(span, text);
                }
                continue;
            };
            // A folder shows its backends at its front door: that alone is no import.
            let shows = declares
                && matches!(
                    (&from, &to),
                    (Place::Trait(door), Place::Backend(folder, _)) if door == folder
                );
            if !shows && !from.may_import(&to) {
                let target = target.join("::");
                self.violation(span, format!("{from} imports {target}, which is in {to}"));
            }
        }
    }

    /// Holds every path in the tokens of a macro or an attribute against the plan.
    ///
    /// `prefix` is what stands before the braces that they were in: `prefix::{tokens}`.
    fn tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let colon =
            |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        let after_colons =
            |at: usize| tokens.get(at + 3).filter(|_| colon(at + 1) && colon(at + 2));

        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(first) => {
                    let mut path = [prefix, &[first.to_string()]].concat();
                    while let Some(TokenTree::Ident(next)) = after_colons(at) {
                        path.push(next.to_string());
                        at += 3;
                    }
                    match after_colons(at) {
                        Some(TokenTree::Group(group)) => {
                            self.tokens(group.stream(), &path);
                            at += 3;
                        }
                        _ => self.path(&path, first.span(), false),
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream(), &[]),
                // `#[serde(with = "crate::record::text")]`
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                        && let text = text.value()
                        && ["crate::", "super::"].iter().any(|start| text.starts_with(start))
                        && let Ok(path) = syn::parse_str::<syn::Path>(&text)
                    {
                        self.path(&segments(&path), literal.span(), false);
                    }
                }
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !only_for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            self.violation(item.span(), "#[path] hides where a module stands".into());
        }
        self.module.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let declares = !matches!(item.vis, Visibility::Inherited);
        let mut found = Vec::new();
        leaves(&item.tree, &[], &mut found);
        for leaf in found {
            self.path(&leaf.path, leaf.span, declares);
            if !leaf.glob {
                continue;
            }
            for target in self.names.resolve(&self.module, &leaf.path) {
                if declares && !self.module.is_empty() {
                    self.violation(leaf.span, "a glob re-export gives things a second path".into());
                }
                // A glob brings what its module re-exports.
                for (module, name) in
                    self.names.bound.keys().filter(|(module, _)| *module == target)
                {
                    let path = [&["crate".into()], &**module, std::slice::from_ref(name)].concat();
                    self.path(&path, leaf.span, false);
                }
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(&segments(path), path.span(), false);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.path(&segments(&mac.path), mac.span(), false);
        self.tokens(mac.tokens.clone(), &[]);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone(), &[]);
        }
    }

    /// `pub(in path)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

/// Returns the names in a path.
fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Returns the module that a file below `src` holds.
fn module_of(file: &str) -> Absolute {
    let stem = file.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(if stem == "lib" { "" } else { stem });
    stem.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Returns all that is wrong with the sources in `files`, each a path below `src` and its text.
fn violations(files: &[(String, String)]) -> Vec<String> {
    let mut names = Names::default();
    let mut parsed = Vec::new();
    for (file, text) in files {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{file}: {error}"));
        let module = module_of(file);
        if !module.is_empty() {
            names.files.insert(module.clone());
            names.modules.insert(module.clone());
        }
        Collect { names: &mut names, module: module.clone() }.visit_file(&syntax);
        parsed.push((file, module, syntax));
    }

    let mut found = BTreeSet::new();
    for module in &names.modules {
        let top = &module[..1];
        if names.place(top).is_none() && !names.tests.contains(top) {
            let text = format!(
                "the floor plan has no module {0}: give {0} a place in the tables at the top of \
                 tests/layers.rs",
                top[0]
            );
            found.insert((top[0].clone(), 0, text));
        }
    }
    for (file, module, syntax) in &parsed {
        if (1..=module.len()).any(|length| names.tests.contains(&module[..length])) {
            continue;
        }
        let mut check =
            Check { names: &names, file, module: module.clone(), violations: BTreeSet::new() };
        check.visit_file(syntax);
        found.append(&mut check.violations);
    }
    found
        .into_iter()
        .map(|(file, line, text)| match line {
            0 => format!("src/{file}: {text}"),
            _ => format!("src/{file}:{line}: {text}"),
        })
        .collect()
}

/// Adds every source file below `folder` to `files`, with its path below `root`.
fn read(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn imports_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    read(&root, &root, &mut files);
    assert!(files.iter().any(|(file, _)| file == "lib.rs"));
    let found = violations(&files);
    assert!(
        found.is_empty(),
        "{} imports break the floor plan:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// The house of the fixtures: every file that a test does not bring itself.
const HOUSE: &[(&str, &str)] = &[
    ("lib.rs", "pub mod dns; pub use dns::memory::InMemoryDns; pub use error::Error;"),
    ("error.rs", "pub struct Error;"),
    ("clock.rs", ""),
    ("id.rs", ""),
    ("secret.rs", ""),
    ("name.rs", ""),
    ("record/mod.rs", "mod text; pub use text::Text;"),
    ("record/text.rs", "pub struct Text;"),
    ("zone.rs", ""),
    ("certificate.rs", ""),
    ("registration.rs", ""),
    ("domain/mod.rs", ""),
    ("dns/mod.rs", "pub mod memory; pub use memory::InMemoryDns; pub trait DnsProvider {}"),
    ("dns/memory.rs", "pub struct InMemoryDns;"),
    ("dns/rfc2136/mod.rs", "mod convert; use super::DnsProvider; pub struct Client;"),
    ("dns/rfc2136/convert.rs", ""),
    ("ca/mod.rs", "pub mod memory; pub trait CertificateAuthority {}"),
    ("ca/memory.rs", ""),
    ("ca/signer.rs", ""),
    ("store/mod.rs", "pub mod memory; pub trait Store {}"),
    ("store/memory.rs", ""),
    ("transport/mod.rs", ""),
    ("engine/mod.rs", ""),
    ("api.rs", ""),
    ("serve.rs", ""),
    (
        "conformance/mod.rs",
        "#[macro_export] macro_rules! dns_conformance { () => { $crate::dns::DnsProvider } }",
    ),
    ("testkit.rs", ""),
];

/// Returns `files` as they are read from disk.
fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|&(file, text)| (file.to_owned(), text.to_owned())).collect()
}

/// Returns what is wrong when `file` of the house is `text`.
fn with(file: &str, text: &str) -> Vec<String> {
    let mut house: BTreeMap<_, _> = owned(HOUSE).into_iter().collect();
    house.insert(file.into(), text.into());
    violations(&house.into_iter().collect::<Vec<_>>())
}

/// Asserts that each of `texts` is refused as `file`, with a message that holds `part`.
#[track_caller]
fn refused(file: &str, part: &str, texts: &[&str]) {
    for text in texts {
        let found = with(file, text);
        assert!(found.iter().any(|line| line.contains(part)), "{file}: {text}\n{found:?}");
    }
}

/// Asserts that each of `texts` is accepted as `file`.
#[track_caller]
fn accepted(file: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(with(file, text), [""; 0], "{file}: {text}");
    }
}

#[test]
fn the_house_of_the_fixtures_stands() {
    assert_eq!(violations(&owned(HOUSE)), [""; 0]);
}

#[test]
fn an_upward_path_is_found_in_every_position() {
    let part = "record imports engine::Worker";
    refused(
        "record/mod.rs",
        part,
        &[
            "use crate::engine::Worker;",
            "pub use crate::engine::Worker;",
            "use crate::{error::Error, engine::{self, Worker as W}};",
            "use crate as root; fn f() { root::engine::Worker::new() }",
            "use super::engine::Worker;",
            "fn f() { use crate::engine::Worker; }",
            "fn f() { crate::engine::Worker::new() }",
            "fn f(_: &[Option<crate::engine::Worker>]) {}",
            "fn f() -> impl Iterator<Item = super::engine::Worker> { todo!() }",
            "struct S { w: Box<dyn crate::engine::Worker> }",
            "impl crate::engine::Worker for S {}",
            "impl<T: crate::engine::Worker> S<T> {}",
            "fn f(x: u8) { match x { crate::engine::Worker => {} } }",
            "fn f() { <S as crate::engine::Worker>::f() }",
            "fn f() { assert!(x, crate::engine::Worker) }",
            "fn f() { vec![{ y(crate::engine::{Edge, Worker}) }] }",
            "macro_rules! m { () => { $crate::engine::Worker } }",
            "#[derive(crate::engine::Worker)] struct S;",
            "#[serde(with = \"crate::engine::Worker\")] struct S;",
            "mod inner { use super::super::engine::Worker; }",
            "mod inner { fn f() { crate::engine::Worker } }",
            "use nameplate::engine::Worker;",
            "#[cfg(any(test, feature = \"testkit\"))] mod m { use crate::engine::Worker; }",
            "#[cfg(not(test))] use crate::engine::Worker;",
            "crate::engine::Worker! {}",
        ],
    );
    refused("record/mod.rs", "record imports engine", &["use crate::engine::*;"]);
    refused("record/text.rs", part, &["use super::super::engine::Worker;"]);
}

#[test]
fn a_message_says_where() {
    let text = "\nuse crate::{\n    error::Error,\n    engine::Worker,\n};";
    let line = "src/record/mod.rs:4: record imports engine::Worker, which is in engine";
    assert_eq!(with("record/mod.rs", text), [line]);
}

#[test]
fn the_lower_floors_have_an_order() {
    refused("error.rs", "error imports clock", &["use crate::clock::Clock;"]);
    refused("id.rs", "id imports secret", &["use crate::secret::Secret;"]);
    refused("name.rs", "name imports record", &["use crate::record::RecordType;"]);
    refused("record/mod.rs", "record imports zone", &["use crate::zone::RecordSet;"]);
    refused("certificate.rs", "certificate imports registration", &["use crate::registration::X;"]);
    refused("certificate.rs", "certificate imports domain", &["use crate::domain::Domain;"]);
    refused("domain/mod.rs", "domain imports dns", &["use crate::dns::DnsProvider;"]);
    accepted("clock.rs", &["use crate::error::Error;"]);
    accepted("zone.rs", &["use crate::{error::Error, record::{Text, text}};"]);
    accepted("domain/mod.rs", &["use crate::{certificate::A, registration::B, zone::C, id::D};"]);
}

#[test]
fn a_trait_knows_no_other_trait_and_no_backend() {
    refused("ca/mod.rs", "imports dns::DnsProvider", &["use crate::dns::DnsProvider;"]);
    refused("ca/mod.rs", "imports transport", &["use crate::transport::Http;"]);
    refused(
        "dns/mod.rs",
        "imports dns::memory",
        &[
            "pub mod memory; use memory::InMemoryDns;",
            "pub mod memory; fn f() { memory::InMemoryDns }",
            "pub mod memory; pub use memory::InMemoryDns; fn f() -> InMemoryDns { todo!() }",
        ],
    );
    accepted(
        "dns/mod.rs",
        &[
            "mod memory; pub use memory::InMemoryDns; use crate::record::Text;",
            "mod memory; pub use self::memory::InMemoryDns; fn f(memory: u8) { g(memory) }",
        ],
    );
}

#[test]
fn a_backend_knows_no_other_backend() {
    refused(
        "ca/memory.rs",
        "dns::memory (a backend)",
        &[
            "use crate::dns::memory::InMemoryDns;",
            "use crate::dns::memory;",
            "use crate::dns::InMemoryDns;",
            "use crate::dns; fn f() { dns::InMemoryDns::new() }",
            "use crate::dns; fn f() { dns::memory::InMemoryDns::new() }",
            "use crate::dns as d; fn f() { println!(\"{}\", d::memory::InMemoryDns) }",
            "use crate::dns::*;",
            "use super::super::dns::{DnsProvider, InMemoryDns as Dns};",
        ],
    );
    refused(
        "dns/rfc2136/convert.rs",
        "imports dns::memory",
        &["use super::super::memory::InMemoryDns;", "use crate::dns::InMemoryDns;"],
    );
    refused("ca/signer.rs", "imports ca::memory", &["use super::memory::InMemoryCa;"]);
    refused("ca/memory.rs", "imports engine", &["use crate::engine::Worker;"]);
    accepted(
        "ca/memory.rs",
        &[
            "use super::CertificateAuthority; use crate::{dns::DnsProvider, transport::Http};",
            "use super::*; fn f() { let memory = 1; g(memory) }",
            "use super::signer::Signer;",
        ],
    );
    accepted("dns/rfc2136/convert.rs", &["use super::{Client, super::DnsProvider};"]);
}

#[test]
fn the_upper_floors_see_what_the_plan_says() {
    refused("engine/mod.rs", "imports transport", &["use crate::transport::Http;"]);
    refused("engine/mod.rs", "imports dns::memory", &["use crate::dns::InMemoryDns;"]);
    refused("engine/mod.rs", "imports serve", &["use crate::serve::Acceptor;"]);
    refused("api.rs", "imports store", &["use crate::store::Store;"]);
    refused("serve.rs", "imports api", &["use crate::api::Router;"]);
    refused("conformance/mod.rs", "imports engine", &["use crate::engine::Worker;"]);
    refused("conformance/mod.rs", "imports store::memory", &["use crate::store::memory::M;"]);
    refused("testkit.rs", "imports serve", &["use crate::serve::Acceptor;"]);
    refused("dns/memory.rs", "imports conformance", &["crate::dns_conformance!();"]);
    accepted("engine/mod.rs", &["use crate::{store::Store, dns::DnsProvider, domain::Domain};"]);
    accepted("api.rs", &["use crate::{engine::Onboarding, domain::Domain};"]);
    accepted("conformance/mod.rs", &["use crate::{store::Store, record::Text};"]);
    accepted("testkit.rs", &["use crate::{engine::Worker, dns::InMemoryDns, transport::Http};"]);
}

#[test]
fn tests_may_import_anything() {
    accepted(
        "record/mod.rs",
        &[
            "#[cfg(test)] mod tests { use super::*; use crate::engine::Worker; crate::any!(); }",
            "#[cfg(all(test, feature = \"hickory\"))] mod tests { use crate::engine::Worker; }",
            "#[cfg(test)] use crate::engine::Worker;",
            "/// See [`Worker`](crate::engine::Worker).\npub(crate) struct S;",
        ],
    );
    let files = [
        ("lib.rs", "mod id; mod engine;"),
        ("id/mod.rs", "#[cfg(test)] mod tests;"),
        ("id/tests.rs", "mod deeper;"),
        ("id/tests/deeper.rs", "use crate::engine::Worker;"),
        ("engine.rs", ""),
    ];
    assert_eq!(violations(&owned(&files)), [""; 0]);
}

#[test]
fn the_re_exports_of_the_root_are_for_users() {
    let part = "which is no module";
    refused("domain/mod.rs", part, &["use crate::Error;", "fn f() { x!(super::Error) }"]);
    accepted("lib.rs", &["pub use engine::Worker; pub use crate::dns::InMemoryDns;"]);
}

#[test]
fn what_the_plan_cannot_see_is_refused() {
    refused("attic.rs", "the floor plan has no module attic", &[""]);
    refused("lib.rs", "the floor plan has no module attic", &["mod attic { fn f() {} }"]);
    refused("domain/mod.rs", "#[path]", &["#[path = \"x.rs\"] mod y;"]);
    refused("domain/mod.rs", "glob re-export", &["pub use crate::zone::*;"]);
}

#[test]
fn paths_into_other_crates_are_not_ours() {
    accepted(
        "error.rs",
        &[
            "use std::fmt; use idna::idna; impl fmt::Display for E {} fn f() { idna::idna() }",
            "use x::engine::Worker; fn f(engine: u8) { engine; std::clock::x() }",
        ],
    );
}
