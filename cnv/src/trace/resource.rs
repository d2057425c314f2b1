//! Who says all this.

/// The program that spans, logs and metrics are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    attributes: Vec<(String, String)>,
}

impl Resource {
    /// The program of this name: `service.name`, as OpenTelemetry has it.
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        let language = ("telemetry.sdk.language".to_owned(), "rust".to_owned());
        let sdk = ("telemetry.sdk.name".to_owned(), "cnv".to_owned());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let version = ("telemetry.sdk.version".to_owned(), version);
        Self {
            attributes: vec![
                ("service.name".to_owned(), service.into()),
                language,
                sdk,
                version,
            ],
        }
    }

    /// With one more fact about it, in place of what had its name, such as `service.version`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.attributes.iter_mut().find(|(name, _)| name == key) {
            Some((_, earlier)) => *earlier = value,
            None => self.attributes.push((key.to_owned(), value)),
        }
        self
    }

    /// What is known of it, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(key, value)| (&**key, &**value))
    }
}

impl From<&str> for Resource {
    fn from(service: &str) -> Self {
        Self::new(service)
    }
}

impl From<String> for Resource {
    fn from(service: String) -> Self {
        Self::new(service)
    }
}
