//! One Rust file, measured.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, ItemFn, ItemMod, Signature, TraitItemFn};

/// What the rules want to know about a file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root of the repository.
    pub(crate) path: PathBuf,
    /// Lines outside of tests, whatever is on them.
    pub(crate) production_lines: usize,
    /// Functions outside of tests.
    pub(crate) functions: Vec<Function>,
    /// The lines outside of tests that are not only a comment, each with its number.
    pub(crate) code: Vec<(usize, String)>,
    documented: bool,
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where it begins, from 1.
    pub(crate) line: usize,
    /// From the signature to the closing brace.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn parse(path: &Path, text: &str) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        let mut measure = Measure::default();
        measure.visit_file(&file);
        let kept = |number: &usize| !measure.tests.contains(number);
        let production_lines = (1..=text.lines().count()).filter(kept).count();
        let code = text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line.to_owned()));
        Ok(Self {
            path: path.to_owned(),
            production_lines,
            functions: measure.functions,
            code: code
                .filter(|(number, line)| kept(number) && !line.trim_start().starts_with("//"))
                .collect(),
            documented: file.attrs.iter().any(is_inner_doc),
        })
    }

    /// Whether the file is part of what ships or of our tools, rather than a test of it.
    pub(crate) fn is_production(&self) -> bool {
        !self
            .path
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "fuzz")
    }

    pub(crate) fn missing_docs(&self) -> Option<String> {
        let path = self.path.display();
        (!self.documented).then(|| format!("{path}: does not begin with `//!`: say what it is for"))
    }
}

fn is_inner_doc(attribute: &Attribute) -> bool {
    matches!(attribute.style, syn::AttrStyle::Inner(_)) && attribute.path().is_ident("doc")
}

#[derive(Debug, Default)]
struct Measure {
    /// The lines that belong to tests.
    tests: BTreeSet<usize>,
    functions: Vec<Function>,
}

impl Measure {
    fn function(&mut self, signature: &Signature, body: &Block) {
        let (begin, end) = (signature.span().start().line, body.span().end().line);
        let name = signature.ident.to_string();
        self.functions.push(Function {
            name,
            line: begin,
            lines: end - begin + 1,
        });
    }

    /// Notes an item that is only there for tests; whether it is one.
    fn is_test(&mut self, attributes: &[Attribute], whole: Span) -> bool {
        let test = attributes.iter().any(is_test_attribute);
        if test {
            self.tests.extend(whole.start().line..=whole.end().line);
        }
        test
    }
}

/// `#[cfg(test)]`, `#[test]`, `#[tokio::test]`.
fn is_test_attribute(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    if last.is_some_and(|segment| segment.ident == "test") {
        return true;
    }
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|path| path.is_ident("test"))
}

impl<'ast> Visit<'ast> for Measure {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !self.is_test(&item.attrs, item.span()) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !self.is_test(&item.attrs, item.span()) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !self.is_test(&item.attrs, item.span()) {
            self.function(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !self.is_test(&item.attrs, item.span()) {
            self.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//! Says what it is for.\n\
        \n\
        /// A comment.\n\
        fn one() {\n\
            let a = 1;\n\
        }\n\
        struct S;\n\
        impl S {\n\
            fn two(\n\
                &self,\n\
            ) {}\n\
        }\n\
        #[cfg(test)]\n\
        mod tests {\n\
            #[test]\n\
            fn three() {}\n\
        }\n";

    fn parsed(text: &str) -> Source {
        Source::parse(Path::new("crates/x/src/lib.rs"), text).unwrap()
    }

    #[test]
    fn functions_are_measured_from_signature_to_brace_and_tests_are_none() {
        let functions = parsed(TEXT).functions;
        let sizes: Vec<_> = functions
            .iter()
            .map(|f| (f.name.as_str(), f.line, f.lines))
            .collect();
        assert_eq!(sizes, [("one", 4, 3), ("two", 9, 3)]);
    }

    #[test]
    fn tests_do_not_count_as_production() {
        let source = parsed(TEXT);
        assert_eq!(source.production_lines, 12);
        assert!(source.code.iter().all(|(_, line)| !line.contains("three")));
    }

    #[test]
    fn a_file_without_module_docs_is_told() {
        assert!(
            parsed("/// Of the item, not of the file.\nfn f() {}\n")
                .missing_docs()
                .is_some()
        );
        assert!(parsed(TEXT).missing_docs().is_none());
    }

    #[test]
    fn tests_folders_are_not_production() {
        assert!(parsed(TEXT).is_production());
        let test = Source::parse(Path::new("crates/x/tests/a.rs"), TEXT).unwrap();
        assert!(!test.is_production());
    }
}
