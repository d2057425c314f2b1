//! For each of the four resources: over the limit, the next checkpoint stops the work, and the next call goes on.

use super::*;

#[test]
fn memory_at_the_next_checkpoint() {
    let work = |bytes| {
        move || {
            let block = allocate(bytes);
            checkpoint()?;
            Ok::<_, BudgetExceeded>(block.capacity())
        }
    };
    let (stopped, usage) = cooperative("load", memory(1_000_000), work(MB + 1));
    let stopped = stopped.unwrap_err();
    assert_eq!(stopped.resource, Resource::Memory);
    assert_eq!((stopped.limit, stopped.used), (1_000_000, 1_000_001));
    assert_eq!(stopped.operation, Some("load"));
    assert!(!stopped.is_upper_bound);
    assert_eq!(usage.memory_peak_bytes, Some(1_000_001));

    let (all_of_it, _) = cooperative("load", memory(1_000_000), work(MB));
    assert_eq!(all_of_it, Ok(MB));
    checkpoint().unwrap();
}

/// What was over once is over, though it was given back.
#[test]
fn memory_that_was_freed_again() {
    let (stopped, _) = cooperative("load", memory(1_000), || {
        drop(allocate(2_000));
        checkpoint()
    });
    assert_eq!(stopped.unwrap_err().used, 2_000);
}

#[test]
#[cfg(target_os = "linux")]
fn processor_time_at_the_next_checkpoint() {
    let (stopped, usage) = cooperative("spin", cpu(MS), || spin(5 * MS));
    let stopped = stopped.unwrap_err();
    assert_eq!(stopped.resource, Resource::Cpu);
    assert_eq!((stopped.limit, stopped.operation), (MS, Some("spin")));
    assert!(stopped.used > MS && stopped.used <= usage.cpu_ns);
    assert!(!stopped.is_upper_bound, "the thread's own clock");

    cooperative("spin", cpu(UNLIMITED), || spin(5 * MS))
        .0
        .unwrap();
    cooperative("spin", cpu(1_000 * MS), || spin(MS)).0.unwrap();
    measure("spin", cpu(MS), || spin(5 * MS)).0.unwrap();
}

/// Time that passes is not time that is used, and what is used after it counts all the same.
#[test]
#[cfg(target_os = "linux")]
fn waiting_is_not_processor_time() {
    let (stopped, _) = cooperative("wait", cpu(10 * MS), || {
        wait(30 * MS);
        checkpoint().expect("it only waited");
        spin(20 * MS)
    });
    let stopped = stopped.unwrap_err();
    assert_eq!((stopped.limit, stopped.is_upper_bound), (10 * MS, false));
}

#[test]
fn little_processor_time_by_the_wall_clock() {
    let (stopped, usage) = cooperative("spin", cpu(1_000), || {
        loop {
            if let Err(stopped) = checkpoint() {
                return stopped;
            }
        }
    });
    assert_eq!((stopped.resource, stopped.limit), (Resource::Cpu, 1_000));
    assert!(stopped.is_upper_bound && stopped.used > 1_000);
    assert!(usage.cpu_clock.is_upper_bound());
    let message = stopped.to_string();
    assert!(message.starts_with("over budget in `spin`: cpu: at most "));
}

#[test]
fn io_at_the_operation_after_the_last() {
    let (mut reader, mut writer) = pipe();
    let mut talk = |limit| {
        cooperative("talk", io_ops(limit), || {
            writer.write_all(b"ab")?;
            reader.read_exact(&mut [0; 2])
        })
    };
    let refused = exceeded(&talk(1).0.unwrap_err());
    assert_eq!((refused.resource, refused.used), (Resource::Io, 1));
    let (result, usage) = talk(2);
    result.unwrap();
    assert_eq!(usage.io_ops, 2);
}

#[test]
fn network_at_the_byte_after_the_last() {
    let (mut near, mut far) = connection();
    let mut talk = |limit| {
        cooperative("talk", network(limit), || {
            near.write_all(b"four")?;
            far.read_exact(&mut [0; 4])
        })
    };
    let refused = exceeded(&talk(7).0.unwrap_err());
    assert_eq!((refused.resource, refused.used), (Resource::Network, 7));
    let (result, usage) = talk(9);
    result.unwrap();
    assert_eq!(usage.network_bytes, 8);
}

/// The wrappers are checkpoints: work that is over does no I/O either.
#[test]
fn an_overdraft_stops_io_before_it_is_done() {
    let (_reader, mut writer) = pipe();
    let (_near, mut far) = connection();
    let ((), usage) = cooperative("load", memory(1_000), || {
        drop(allocate(1_001));
        let refusals = [
            exceeded(&writer.write(b"x").unwrap_err()),
            exceeded(&far.write(b"x").unwrap_err()),
            exceeded(&far.read(&mut [0]).unwrap_err()),
            exceeded(&File::open("Cargo.toml").unwrap_err()),
            charge_io(1).unwrap_err(),
            charge_network(0).unwrap_err(),
        ];
        for refused in refusals {
            assert_eq!((refused.resource, refused.used), (Resource::Memory, 1_001));
        }
    });
    assert_eq!((usage.io_ops, usage.network_bytes), (0, 0));
}
