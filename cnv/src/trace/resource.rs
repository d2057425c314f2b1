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

    /// With `service.instance.id`, a random UUID, unless there is one: counts of two processes of one service are two.
    #[must_use]
    pub(super) fn with_instance(self) -> Self {
        const INSTANCE: &str = "service.instance.id";
        if self.attributes.iter().any(|(key, _)| key == INSTANCE) {
            return self;
        }
        match random_uuid() {
            Some(id) => self.with(INSTANCE, id),
            None => self,
        }
    }

    /// What is known of it, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(key, value)| (&**key, &**value))
    }
}

/// A UUID of version 4 (RFC 9562, section 5.4), if the operating system has randomness to give.
fn random_uuid() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let drawn = u128::from_be_bytes(bytes) & !(0xf << 76 | 0x3 << 62);
    let hex = format!("{:032x}", drawn | 0x4 << 76 | 0x2 << 62);
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    Some(parts.map(|(from, to)| &hex[from..to]).join("-"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(resource: &Resource) -> Option<&str> {
        let mut all = resource.attributes();
        all.find(|(key, _)| *key == "service.instance.id")
            .map(|(_, value)| value)
    }

    #[test]
    fn each_process_is_another_instance() {
        let [first, second] = [(); 2].map(|()| Resource::new("shop").with_instance());
        assert_ne!(instance(&first), instance(&second));
        let id = instance(&first).unwrap();
        let lens: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lens, [8, 4, 4, 4, 12]);
        assert!(id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-')));
        assert_eq!(&id[14..15], "4");
        assert!(["8", "9", "a", "b"].contains(&&id[19..20]), "{id}");
        assert_eq!(first.clone().with_instance(), first);
    }
}
