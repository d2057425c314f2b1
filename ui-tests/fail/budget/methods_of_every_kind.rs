//! One operation too many, by every way to a method.

use cnv::{budget, spend};
use std::rc::Rc;
use std::sync::Arc;

struct Store;

#[budget(cpu = "10us", io = 2)]
impl Store {
    fn shared(&self) {}
    fn unique(&mut self) {}
    fn taken(self) {}
    fn counted(self: Rc<Self>) {}
    fn parameter<T>(&self, _: T) {}
    async fn later(&self) {}
    fn made() -> Self {
        Store
    }
}

#[budget]
trait Source {
    #[budget(cpu = "10us", io = 2)]
    fn read(&self);

    #[budget(cpu = "10us", io = 2)]
    fn new() -> Self
    where
        Self: Sized;
}

#[budget]
impl Source for Store {
    #[budget]
    fn read(&self) {}

    #[budget]
    fn new() -> Self {
        Store
    }
}

#[budget(cpu = "1ms", io = 1)]
fn by_reference(store: &Store) {
    spend!(store.shared());
}

#[budget(cpu = "1ms", io = 1)]
fn by_unique_reference(mut store: Store) {
    spend!(store.unique());
}

#[budget(cpu = "1ms", io = 1)]
fn by_value(store: Store) {
    spend!(store.taken());
}

#[budget(cpu = "1ms", io = 1)]
fn by_pointer(store: Rc<Store>) {
    spend!(store.counted());
}

#[budget(cpu = "1ms", io = 1)]
fn by_parameter(store: &Store) {
    spend!(store.parameter::<u8>(1));
}

#[budget(cpu = "1ms", io = 1)]
async fn awaited(store: &Store) {
    spend!(store.later()).await;
}

#[budget(cpu = "1ms", io = 1)]
fn of_the_type() -> Store {
    spend!(Store::made())
}

#[budget(cpu = "1ms", io = 1)]
fn through_arc(source: &Arc<dyn Source + Send>) {
    spend!(source.read());
}

#[budget(cpu = "1ms", io = 1)]
fn through_box(source: Box<dyn Source>) {
    spend!(source.read());
}

#[budget(cpu = "1ms", io = 1)]
fn by_path(store: &Store) {
    spend!(Store::shared(store));
}

#[budget(cpu = "1ms", io = 1)]
fn by_the_path_of_the_trait(store: &Store) {
    spend!(Source::read(store));
}

#[budget(cpu = "1ms", io = 1)]
fn by_the_whole_path(store: &Store) {
    spend!(<Store as Source>::read(store));
}

#[budget(cpu = "1ms", io = 1)]
fn of_a_parameter<S: Source>() -> S {
    spend!(S::new())
}

#[budget(cpu = "1ms", io = 1)]
fn of_some_source(source: &impl Source) {
    spend!(source.read());
}

fn main() {}
