//! Expansions in the strictest caller there is: no prelude, every lint an error, the crate renamed.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unsafe_code)]
#![deny(clippy::all, clippy::pedantic)]

extern crate cnv as renamed;
extern crate std;

/// What everything below is made of, under a path of its own.
pub mod strict {
    use crate::renamed;

    /// The item in the value namespace must not disturb the companion.
    pub mod nested {
        use super::renamed::{budget, requires_attestation, verb};

        /// Loads.
        ///
        /// # Errors
        ///
        /// Never.
        #[budget(memory = "10KB", cpu = "1ms", io = 1, crate = "renamed_path")]
        pub fn load(
            bytes: ::std::primitive::usize,
        ) -> ::std::result::Result<::std::primitive::usize, super::Wrong> {
            ::std::result::Result::Ok(bytes)
        }

        /// Loads later.
        ///
        /// # Errors
        ///
        /// Never.
        #[budget(memory = "10KB", cpu = "1ms", io = 1, crate = "renamed_path")]
        pub async fn load_later(
            bytes: ::std::primitive::usize,
        ) -> ::std::result::Result<::std::primitive::usize, super::Wrong> {
            let checked: ::std::result::Result<(), super::Wrong> = ::std::result::Result::Ok(());
            checked?;
            ::std::future::ready(()).await;
            ::std::result::Result::Ok(bytes)
        }

        /// Everything at once.
        ///
        /// # Errors
        ///
        /// Where not allowed.
        #[verb(noun = "strict", effect = "read", crate = "renamed_path")]
        #[requires_attestation(read_only)]
        #[budget(memory = "1MB", cpu = "10ms", io = 10)]
        pub async fn all(
            cx: super::renamed::command::Context,
            /// How much
            size: ::std::primitive::usize,
            #[arg(long, default_value_t = 3)] times: ::std::primitive::u32,
            #[arg(long)] name: ::std::option::Option<::std::string::String>,
            deep: ::std::primitive::bool,
        ) -> ::std::result::Result<::std::primitive::usize, super::Wrong> {
            let _ = (&cx, times, name, deep);
            let first = renamed_path::spend!(load(size))?;
            let second = if first > 3 {
                renamed_path::spend!(load_later(size)).await?
            } else {
                renamed_path::spend!(self::load(size))?
            };
            ::std::result::Result::Ok(first + second)
        }

        use super::super::renamed as renamed_path;
    }

    /// Methods, traits and loops.
    pub mod methods {
        use super::renamed as renamed_path;
        use super::renamed::{budget, spend};

        /// Something that is read.
        #[budget(crate = "renamed_path")]
        pub trait Source {
            /// A number.
            #[budget(memory = "1KB", cpu = "1us", io = 1)]
            fn read(&self) -> ::std::primitive::u32;

            /// The number twice.
            #[budget(memory = "4KB", cpu = "9us", io = 2)]
            fn read_twice(&self) -> ::std::primitive::u32 {
                spend!(self.read()) + spend!(self.read())
            }
        }

        /// A number.
        #[derive(::std::fmt::Debug)]
        pub struct Store(::std::primitive::u32);

        #[budget(crate = "renamed_path")]
        impl Source for Store {
            #[budget]
            fn read(&self) -> ::std::primitive::u32 {
                self.0
            }
        }

        #[budget(memory = "1KB", cpu = "1us", crate = "renamed_path")]
        impl Store {
            /// With this number.
            #[must_use]
            pub fn new(number: ::std::primitive::u32) -> Self {
                Self(number)
            }

            /// The number later.
            #[budget(cpu = "1us")]
            pub async fn later(&self) -> ::std::primitive::u32 {
                ::std::future::ready(self.0).await
            }

            /// The number in its place.
            pub fn place(&mut self) -> &mut ::std::primitive::u32 {
                &mut self.0
            }
        }

        /// The sum of some.
        ///
        /// # Errors
        ///
        /// Where there are more than three.
        #[budget(memory = "20KB", cpu = "1ms", io = 6, crate = "renamed_path")]
        pub fn sum(
            sources: &[&dyn Source],
        ) -> ::std::result::Result<::std::primitive::u32, renamed_path::quota::RoundsExceeded>
        {
            let mut sum = 0;
            #[repeat(max = 3)]
            for source in sources {
                sum += spend!(source.read_twice());
            }
            *spend!(spend!(Store::new(1)).place()) += 1;
            ::std::result::Result::Ok(sum)
        }

        /// The number twice, later.
        #[budget(cpu = "1ms", crate = "renamed_path")]
        pub async fn later(store: &Store) -> ::std::primitive::u32 {
            let first = spend!(store.later());
            first.await + spend!(store.later()).await
        }
    }

    /// An error of the caller's own.
    #[derive(::std::fmt::Debug)]
    pub enum Wrong {
        /// Not allowed.
        Denied(renamed::attestation::Denied),
    }

    impl ::std::fmt::Display for Wrong {
        fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
            f.write_str("wrong")
        }
    }

    impl ::std::error::Error for Wrong {}

    impl ::std::convert::From<renamed::attestation::Denied> for Wrong {
        fn from(denied: renamed::attestation::Denied) -> Self {
            Self::Denied(denied)
        }
    }

    /// A frame.
    #[derive(
        renamed::frame::SimdFrame, ::std::fmt::Debug, ::std::clone::Clone, ::std::marker::Copy,
    )]
    #[frame(crate = "renamed")]
    #[repr(C)]
    pub struct Line {
        /// A number.
        pub number: ::std::primitive::u32,
        /// A switch.
        pub switch: ::std::primitive::bool,
        /// A choice.
        pub choice: Choice,
        #[frame(reserved)]
        reserved: [::std::primitive::u8; 2],
    }

    /// A choice.
    #[derive(
        renamed::frame::FrameEnum, ::std::fmt::Debug, ::std::clone::Clone, ::std::marker::Copy,
    )]
    #[frame(crate = "renamed")]
    #[repr(u8)]
    pub enum Choice {
        /// This.
        This,
        /// That.
        That,
    }
}

#[::std::prelude::v1::test]
fn the_strict_caller_works() {
    let app = renamed::command::App::new("strict")
        .verbs(renamed::verbs![crate = renamed; strict::nested::all])
        .development();
    let reply = app.call_blocking(["strict", "all", "2", "--deep"]);
    ::std::assert_eq!(reply.result.unwrap().as_json(), "4");
    let receipt = reply.receipt.unwrap();
    ::std::assert_eq!(receipt.verb.limits().unwrap().io_ops, 10);
    ::std::assert_eq!(renamed::run!(strict::nested::load(7)).unwrap(), 7);
    let store = renamed::run!(strict::methods::Store::new(7));
    ::std::assert_eq!(renamed::run!(strict::methods::sum(&[&store])).unwrap(), 14);
    ::std::assert_eq!(renamed::run!(strict::methods::Source::read(&store)), 7);
    ::std::mem::drop(renamed::run!(strict::methods::later(&store)));
}
