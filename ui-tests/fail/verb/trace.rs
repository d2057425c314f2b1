mod a_name_that_is_no_argument {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields(path, detph)))]
    fn digest(path: String, depth: u32) -> Result<String, Failure> {
        Ok(format!("{path} {depth}"))
    }
}

mod a_name_that_is_far_from_any {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields(colour)))]
    fn digest(path: String, depth: u32) -> Result<String, Failure> {
        Ok(format!("{path} {depth}"))
    }
}

mod no_arguments_at_all {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields(path)))]
    fn digest() -> Result<(), Failure> {
        Ok(())
    }
}

mod twice {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields(path, path)))]
    fn digest(path: String) -> Result<String, Failure> {
        Ok(path)
    }
}

mod the_context_and_an_option_of_every_command {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields(cx, dry_run)))]
    fn digest(cx: &Context, path: String) -> Result<String, Failure> {
        Ok(format!("{} {path}", cx.call_id()))
    }
}

mod alone {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace)]
    fn digest(path: String) -> Result<String, Failure> {
        Ok(path)
    }
}

mod with_a_value {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace = "path")]
    fn digest(path: String) -> Result<String, Failure> {
        Ok(path)
    }
}

mod empty {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace())]
    fn digest(path: String) -> Result<String, Failure> {
        Ok(path)
    }
}

mod without_a_field {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields()))]
    fn digest(path: String) -> Result<String, Failure> {
        Ok(path)
    }
}

mod other_words {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(args, fields))]
    fn digest(path: String) -> Result<String, Failure> {
        Ok(path)
    }
}

mod fields_twice {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields(path), fields(depth)))]
    fn digest(path: String, depth: u32) -> Result<String, Failure> {
        Ok(format!("{path} {depth}"))
    }
}

mod quoted {
    use cnv::prelude::*;

    #[verb(noun = "tree", effect = "read", trace(fields("path")))]
    fn digest(path: String) -> Result<String, Failure> {
        Ok(path)
    }
}

mod secret {
    use cnv::prelude::*;

    #[verb(noun = "login", effect = "read", trace(fields(user, password)))]
    fn check(user: String, #[arg(long, secret)] password: String) -> Result<usize, Failure> {
        Ok(user.len() + password.len())
    }
}

mod secrets_that_are_none {
    use cnv::prelude::*;

    #[verb(noun = "login", effect = "read")]
    fn check(
        #[arg(long, secret, default_value = "letmein")] password: String,
        #[arg(long, secret)] force: bool,
        #[arg(long, secret = true)] pin: String,
    ) -> Result<String, Failure> {
        Ok(format!("{password} {force} {pin}"))
    }
}

fn main() {}
