//! Methods, traits, loops and futures with budgets: everything of that which is allowed.

use cnv::budget;
use cnv::quota::RoundsExceeded;
use cnv::{run, spend};
use std::sync::Arc;

pub struct Store {
    values: Vec<u32>,
}

#[budget]
pub trait Source {
    #[budget(memory = "1KB", cpu = "10us", io = 1)]
    fn fetch(&self, key: u32) -> Option<u32>;
    #[budget(memory = "1KB", cpu = "10us", io = 1)]
    async fn afetch(&self, key: u32) -> Option<u32>
    where
        Self: Sized;
    #[budget(memory = "2KB", cpu = "50us", io = 2)]
    fn twice(&self, key: u32) -> Option<u32> {
        let a = spend!(self.fetch(key))?;
        spend!(self.fetch(a))
    }
    #[budget(memory = "1KB", cpu = "10us", io = 1)]
    fn sent(&self, key: u32) -> impl Future<Output = Option<u32>> + Send
    where
        Self: Sized;
    #[budget(memory = "1KB", cpu = "10us")]
    fn keys(&self) -> impl Iterator<Item = u32>
    where
        Self: Sized,
    {
        0..3
    }
    fn name(&self) -> &str {
        "x"
    }
}

#[budget]
impl Source for Store {
    #[budget(memory = "500B", cpu = "5us", io = 1)]
    fn fetch(&self, key: u32) -> Option<u32> {
        self.values.get(key as usize).copied()
    }
    #[budget]
    async fn afetch(&self, key: u32) -> Option<u32> {
        self.values.get(key as usize).copied()
    }
    #[budget]
    async fn sent(&self, key: u32) -> Option<u32> {
        self.values.get(key as usize).copied()
    }
}

impl Store {
    #[budget(cpu = "1us", memory = "1KB", retains = "100B")]
    fn first(&self) -> &u32 {
        &self.values[0]
    }
    #[budget(cpu = "1us", memory = "1KB")]
    fn push(&mut self, v: u32) -> usize {
        self.values.push(v);
        self.values.len()
    }
    #[budget(cpu = "1us", memory = "1KB")]
    fn into_values(mut self) -> Vec<u32> {
        self.values.push(0);
        self.values
    }
    #[budget(cpu = "1us", memory = "1KB")]
    async fn slow(&self, v: &str) -> Result<u32, std::num::ParseIntError> {
        Ok(v.parse::<u32>()? + self.values[0])
    }
}

#[budget(cpu = "2us", memory = "1KB")]
impl Store {
    pub fn new() -> Self {
        Store {
            values: vec![1, 2, 3],
        }
    }
    fn generic<T: Into<u32>>(&self, t: T, f: impl Fn(u32) -> u32) -> u32 {
        f(t.into())
    }
    #[budget(cpu = "9us", memory = "2KB", open)]
    fn opened(&self) -> u32 {
        3
    }
}

#[budget(cpu = "1ms", memory = "100KB", io = 100)]
fn all<S: Source>(
    mut store: Store,
    any: &dyn Source,
    s: &S,
    arc: Arc<dyn Source>,
) -> Result<u32, RoundsExceeded> {
    let mut sum = *spend!(store.first());
    sum += spend!(any.fetch(1)).unwrap_or(0)
        + spend!(s.twice(1)).unwrap_or(0)
        + spend!(arc.fetch(2)).unwrap_or(0);
    spend!(store.push(sum));
    #[repeat(max = 3)]
    for i in 0..3 {
        sum += spend!(Source::fetch(s, i)).unwrap_or(0);
        #[repeat(max = "2")]
        while spend!(store.generic(1_u8, |x| x)) > 3 {
            spend!(free());
        }
    }
    let n = #[repeat(max = 5)]
    loop {
        if sum > 3 {
            break sum;
        }
        sum += 1;
    };
    sum += n + store.opened();
    sum += spend!(Store::new()).values[0] + spend!(<Store>::new()).values[1];
    Ok(sum + spend!(store.into_values()).len() as u32)
}

#[budget(cpu = "1us", memory = "1KB")]
fn free() -> u32 {
    7
}
#[budget(cpu = "1us", memory = "1KB")]
async fn later() -> u32 {
    7
}

#[budget(cpu = "1ms", memory = "100KB", io = 10)]
async fn asynchronous(store: &Store) -> Result<u32, std::num::ParseIntError> {
    let a = spend!(store.slow("4")).await?;
    let f = spend!(store.slow("5"));
    let (x, y) = std::future::ready((f.await?, spend!(later()).await)).await;
    let keys = spend!(store.keys()).count() as u32;
    let sent = spend!(store.sent(0)).await.unwrap() + keys;
    Ok(a + x + y + sent + spend!(store.afetch(0)).await.unwrap())
}

fn main() {
    fn send<T: Send>(_: T) {}

    let store = run!(Store::new());
    let arc: Arc<dyn Source> = Arc::new(run!(Store::new()));
    assert_eq!(run!(all(run!(Store::new()), &store, &store, arc)), Ok(41));
    assert_eq!(store.name(), "x");
    let mut future = std::pin::pin!(run!(asynchronous(&store)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(
        future.as_mut().poll(&mut context),
        std::task::Poll::Ready(Ok(23))
    );
    send(run!(asynchronous(&store)));
    assert_eq!(run!(store.fetch(1)), Some(2));
}
