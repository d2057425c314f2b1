//! What expansions look like, and that the order of attributes never matters.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand;
use super::function::Kind;
use crate::snapshot::pretty;

/// Expands an item the way the compiler does: its first attribute is called with the rest.
fn expanded(item: TokenStream) -> String {
    expanded_where(item, true)
}

fn expanded_where(item: TokenStream, is_metered: bool) -> String {
    let mut function: super::function::Function = syn::parse2(item).unwrap();
    let attribute = function.attributes.remove(0);
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| attribute.path().segments.last().unwrap().ident == kind.name())
        .unwrap();
    let arguments = match &attribute.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    pretty(expand(
        kind,
        arguments,
        quote::ToTokens::to_token_stream(&function),
        is_metered,
    ))
}

#[test]
fn a_budget_alone() {
    let item = quote! {
        #[budget(memory = "1KB", cpu = "1us", io = 1)]
        /// Loads.
        pub fn load(path: &Path) -> Result<Vec<u8>, Error> {
            std::fs::read(path)
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_policy_around_a_budget() {
    let item = quote! {
        #[retry(attempts = 2, when = is_busy)]
        #[timeout("1s")]
        #[budget(memory = "1KB", retains = "0B", io = 1)]
        async fn load(cx: &Context, (from, mut to): (u64, u64)) -> Result<Vec<u8>, Error> {
            to += from;
            read(to).await
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_shared_policy_on_a_method_that_blocks() {
    let item = quote! {
        #[circuit_breaker(on = GEO)]
        fn locate(&self, name: String) -> Result<Place, Error> {
            self.look_up(name)
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn the_order_of_a_policy_s_attributes_never_matters() {
    let verb = quote!(#[verb(noun = "log", effect = "read")]);
    let timeout = quote!(#[timeout("1s")]);
    let retry = quote!(#[retry]);
    let breaker = quote!(#[cnv::circuit_breaker]);
    let bulkhead = quote!(#[bulkhead(max = 4)]);
    let function = quote! {
        async fn scan(cx: &Context) -> Result<u8, Error> {
            load(cx).await
        }
    };
    let orders = [
        [&verb, &timeout, &retry, &breaker, &bulkhead],
        [&timeout, &retry, &breaker, &bulkhead, &verb],
        [&retry, &bulkhead, &verb, &timeout, &breaker],
        [&breaker, &verb, &bulkhead, &retry, &timeout],
        [&bulkhead, &breaker, &timeout, &verb, &retry],
    ];
    let expansions = orders.map(|order| {
        let expansion = expanded(quote!(#(#order)* #function));
        let uses = "const _: () = {\n    #[allow(unused_imports)]";
        expansion.split(uses).next().unwrap().to_owned()
    });
    for (index, expansion) in expansions.iter().enumerate() {
        assert_eq!(expansion, &expansions[0], "order {index}");
    }
}

#[test]
fn spends_in_sequence_and_branches() {
    let item = quote! {
        #[budget(memory = "1MB", cpu = "1ms", io = 10)]
        fn summarise(path: &Path) -> Result<Summary, Error> {
            let bytes = spend!(load(path))?;
            if bytes.is_empty() {
                spend!(a::fetch::<u8>(path));
            } else {
                let more = spend!(load(spend!(other(path))));
            }
            Ok(Summary)
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn an_async_budget_that_is_open() {
    let item = quote! {
        #[budget(memory = "1KB", open)]
        async fn load<T: Read, const N: usize>((a, b): (T, T), mut count: usize) -> Result<[u8; N], Error> {
            count += 1;
            read(a, b, count).await
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_method_in_a_loop_with_a_bound() {
    let item = quote! {
        #[budget(memory = "1MB", retains = "1KB", cpu = "1ms", io = 10)]
        pub async fn sum(&mut self, keys: &[u32]) -> Result<u64, Error> {
            #[repeat(max = 4)]
            while spend!(self.next()).await {
                self.sum += spend!(Store::read(key))?;
            }
            Ok(self.sum)
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_trait_and_its_implementation() {
    let declared = quote! {
        trait Source {
            #[budget(memory = "1KB", cpu = "1us", io = 1)]
            fn read(&self, key: u32) -> Option<u32>;
            fn name(&self) -> &str;
        }
    };
    let implementation = quote! {
        impl Source for Disk {
            #[budget]
            fn read(&self, key: u32) -> Option<u32> {
                spend!(self.seek(key));
                None
            }
        }
    };
    let nothing = TokenStream::new;
    let declared = pretty(expand(Kind::Budget, nothing(), declared, true));
    let implementation = pretty(expand(Kind::Budget, nothing(), implementation, true));
    insta::assert_snapshot!(format!("{declared}\n{implementation}"));
}

#[test]
fn a_body_that_stops_when_it_is_over() {
    let item = quote! {
        #[budget(memory = "1MB", cpu = "1ms", enforce = "cooperative")]
        fn summarise(paths: &[&Path]) -> Result<usize, Error> {
            let mut sum = spend!(load(path));
            for path in paths {
                let long = || loop { work(); };
                while sum < 10 {
                    sum += 1;
                }
            }
            Ok(match sum {
                0 => spend!(load(path)),
                sum => sum,
            })
        }
    };
    insta::assert_snapshot!(expanded(item));
    let item = quote! {
        #[budget(cpu = "1ms", enforce = "cooperative")]
        async fn load(path: &Path) -> Result<Vec<u8>, Error> {
            read(path).await
        }
    };
    insta::assert_snapshot!("an_async_body_that_stops_when_it_is_over", expanded(item));
}

/// Where nothing is metered, nothing of the meter is there: the body is the function's own, also where it is `async`.
#[test]
fn bodies_that_are_not_metered() {
    let function = quote! {
        #[budget(cpu = "1ms")]
        async fn load(path: &Path) -> Result<Vec<u8>, Error> {
            read(path).await
        }
    };
    let method = quote! {
        #[budget(cpu = "1ms", enforce = "cooperative")]
        fn load(&self, path: &Path) -> Result<Vec<u8>, Error> {
            self.read(path)
        }
    };
    let function = expanded_where(function, false);
    let method = expanded_where(method, false);
    insta::assert_snapshot!(format!("{function}\n{method}"));
}

#[test]
fn a_guard_alone_changes_only_the_body() {
    let item = quote! {
        #[requires_attestation(network, via = session)]
        async fn send(&self, session: &Session) -> Result<(), Error> {
            self.go().await
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_permit_is_bound_by_the_guard_and_is_no_parameter() {
    let item = quote! {
        #[requires_attestation(read_write, safety = "irreversible", band = "small", audience = "files")]
        fn remove(cx: &Context, /** Unused. */ mut permit: Permit<'_, ReadWrite>, path: &Path) -> Result<(), Error> {
            file::remove_file(&permit, path)
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_permit_borrows_nothing_that_the_body_may_change() {
    let item = quote! {
        #[requires_attestation(network, via = self)]
        fn send(&mut self, permit: Permit<'_, Network>) -> Result<(), Error> {
            self.count += 1;
            permit.recheck()
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_guard_at_fault_still_binds_the_permit() {
    let item = quote! {
        #[requires_attestation(netwrok)]
        fn send(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Error> {
            permit.recheck()
        }
    };
    let expansion = expanded(item);
    assert!(
        expansion.contains("fn send(cx: &Context) ->"),
        "{expansion}"
    );
    assert!(
        expansion.contains("let permit: Permit<'_, Network> = ::cnv::__private::never();"),
        "{expansion}"
    );
    assert_eq!(
        expansion.matches("compile_error!").count(),
        1,
        "{expansion}"
    );
}

#[test]
fn a_verb_with_every_shape_of_argument() {
    let item = quote! {
        #[verb(noun = "log", effect = "read")]
        /// Scans a log.
        ///
        /// More about it.
        fn scan(
            cx: &Context,
            /// File to scan
            path: PathBuf,
            #[arg(long, default_value_t = 10)] top: usize,
            #[arg(long, short = 'f')] format: Option<String>,
            #[arg(long, value_enum)] level: Level,
            rest: Vec<u8>,
            deep: bool,
        ) -> Result<Report, Error> {
            todo()
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn a_verb_that_says_what_spans_may_have() {
    let item = quote! {
        #[verb(noun = "login", effect = "read", trace(fields(user, r#type,),))]
        fn check(user: String, r#type: Option<u8>, #[arg(long, secret)] password: String) -> Result<(), Error> {
            todo()
        }
    };
    insta::assert_snapshot!(expanded(item));
}

#[test]
fn the_order_of_attributes_never_matters() {
    let verb = quote!(#[verb(noun = "log", effect = "read", crate = "my::cnv")]);
    let guard = quote!(#[cnv::requires_attestation(read_only)]);
    let budget = quote!(#[budget(memory = "1KB", io = 1)]);
    let inline = quote!(#[inline]);
    let function = quote! {
        /// Scans.
        #[must_use]
        async fn scan(cx: Context, path: PathBuf) -> Result<u8, Error> {
            spend!(load(path)).await
        }
    };
    let orders = [
        [&verb, &guard, &budget, &inline],
        [&verb, &budget, &inline, &guard],
        [&guard, &verb, &inline, &budget],
        [&guard, &inline, &budget, &verb],
        [&budget, &verb, &guard, &inline],
        [&budget, &inline, &guard, &verb],
        [&budget, &guard, &verb, &inline],
        [&verb, &inline, &guard, &budget],
        [&guard, &budget, &verb, &inline],
    ];
    let expansions: Vec<String> = orders
        .iter()
        .map(|order| expanded(quote!(#(#order)* #function)))
        // Last comes a use of the siblings' names, which are all but the one that was called.
        .map(|expansion| {
            expansion
                .split("const _: () = {\n    #[allow(unused_imports)]")
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    for (index, expansion) in expansions.iter().enumerate() {
        assert_eq!(expansion, &expansions[0], "order {index}");
    }
    assert!(expansions[0].contains("my::cnv::__private::attestation::guard"));
    assert!(!expansions[0].contains(" ::cnv::"), "{}", expansions[0]);
}

#[test]
fn with_a_fault_the_function_and_its_companion_are_still_there() {
    let item = quote! {
        #[budget(memory = "1mb", cpu = "1ms")]
        fn load() {
            for _ in 0..3 {
                spend!(fetch());
            }
        }
    };
    let expansion = expanded(item);
    assert!(expansion.contains("enum load {}"), "{expansion}");
    assert!(expansion.contains("fn load()"), "{expansion}");
    assert!(expansion.contains("__cnv_spent_0::call()"), "{expansion}");
    assert_eq!(
        expansion.matches("compile_error!").count(),
        2,
        "{expansion}"
    );
}

#[test]
fn an_item_that_is_no_function_is_kept_and_named() {
    let struct_ = expand(
        Kind::Budget,
        quote!(io = 1),
        quote!(
            struct Load;
        ),
        true,
    );
    let text = struct_.to_string();
    assert!(
        text.contains("goes on a function, and this is a struct"),
        "{text}"
    );
    assert!(text.contains("struct Load"), "{text}");
}
