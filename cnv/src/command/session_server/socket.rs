//! A unix socket that one server has: nobody finds it before it is its owner's alone, and nobody else's is taken away.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tokio::net::{UnixListener, UnixStream};

use super::ServeError;
use crate::attestation::random;
use crate::session::Address;

/// How many names are tried for a folder: any other process has few of them at a time.
const NAMES: usize = 64;

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Which file it is, whatever is at the path by now.
    file: FileNumber,
    /// Given up last, so that the next server finds the path as it is left.
    _lock: Lock,
}

type FileNumber = (u64, u64);

fn number(metadata: &Metadata) -> FileNumber {
    (metadata.dev(), metadata.ino())
}

impl Socket {
    /// Listens at a path. The socket of a server that is gone makes way.
    ///
    /// It is made in a folder of its own, where nobody else comes in, and is its owner's alone by the time that it has its
    /// name.
    pub(super) async fn bind(path: &Path) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen {
            address: Address::Unix(path.to_owned()),
            source,
        };
        let taken = || ServeError::Taken {
            path: path.to_owned(),
        };
        // A longer name could be made, and nobody could connect to it.
        std::os::unix::net::SocketAddr::from_pathname(path).map_err(failed)?;
        let lock = Lock::take(path).map_err(failed)?.ok_or_else(taken)?;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.file_type().is_socket() => {
                let path = path.to_owned();
                return Err(ServeError::NoSocket { path });
            }
            // One that does not know of the lock may listen there.
            Ok(_) => match UnixStream::connect(path).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                _ => return Err(taken()),
            },
        }
        let (listener, file) = listen(path).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            file,
            _lock: lock,
        })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| number(&found) == self.file) {
            // Where it is gone by now, there is nothing to take away.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a socket, and puts it in the place of what is there.
fn listen(path: &Path) -> io::Result<(UnixListener, FileNumber)> {
    let folder = PrivateFolder::beside(path)?;
    let made = folder.make_socket()?;
    fs::rename(folder.socket(), path)?;
    Ok(made)
}

/// A folder that nobody else comes into, for as long as a socket is made.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn beside(path: &Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        for _ in 0..NAMES {
            let mut bytes = [0; 2];
            random::fill(&mut bytes)?;
            // Short, because the path of a socket has to be.
            let folder = folder.join(format!(".{:04x}", u16::from_ne_bytes(bytes)));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(folder)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }

    /// A socket that is its owner's alone.
    fn make_socket(&self) -> io::Result<(UnixListener, FileNumber)> {
        let socket = self.socket();
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
        let file = number(&fs::symlink_metadata(&socket)?);
        Ok((listener, file))
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // It has its name by now, unless something failed.
        let _ = fs::remove_file(self.socket());
        let _ = fs::remove_dir(&self.0);
    }
}

/// That no other server is at a path, or about to be. It ends with the process, however that ends.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of a path, which is a file beside it; `None` where somebody has it.
    fn take(socket: &Path) -> io::Result<Option<Self>> {
        let mut path = OsString::from(socket);
        path.push(".lock");
        let path = PathBuf::from(path);
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
                .open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it may have taken the file away meanwhile, and then it is no lock any more.
            let is_there = match fs::symlink_metadata(&path) {
                Ok(found) => number(&found) == number(&file.metadata()?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
            if is_there {
                return Ok(Some(Self { path, _file: file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held, so that it is nobody else's.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        runtime.unwrap().block_on(test)
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn one_of_all_who_find_a_socket_that_was_left_behind_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ops.sock");
        for _ in 0..20 {
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let ready = Barrier::new(8);
            let bind = || {
                ready.wait();
                let socket = run(async { Socket::bind(&path).await });
                // Nobody gives it up before all have tried.
                ready.wait();
                match socket {
                    Ok(_) => 1,
                    Err(ServeError::Taken { .. }) => 0,
                    Err(error) => panic!("{error:?}"),
                }
            };
            let have = std::thread::scope(|scope| {
                let threads = [(); 8].map(|()| scope.spawn(bind));
                threads.map(|thread| thread.join().unwrap())
            });
            assert_eq!(have.iter().sum::<i32>(), 1);
            assert!(names(folder.path()).is_empty());
        }
    }

    #[test]
    fn nobody_finds_it_before_it_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ops.sock");
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
        run(async {
            let private = PrivateFolder::beside(&path).unwrap();
            let _made = private.make_socket().unwrap();
            assert!(!path.exists());
            assert_eq!(mode(&private.0), 0o700);
            assert_eq!(mode(&private.socket()), 0o600);
        });
        assert!(names(folder.path()).is_empty());
        run(async {
            let _socket = Socket::bind(&path).await.unwrap();
            assert_eq!(mode(&path), 0o600);
            assert_eq!(names(folder.path()).len(), 2, "with its lock");
        });
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_socket_that_took_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ops.sock");
        run(async {
            let socket = Socket::bind(&path).await.unwrap();
            fs::remove_file(&path).unwrap();
            let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
            drop(socket);
            assert!(path.exists());
            // Who does not know of the lock is left alone.
            let refused = Socket::bind(&path).await;
            assert!(matches!(refused, Err(ServeError::Taken { .. })));
            drop(other);
            assert!(Socket::bind(&path).await.is_ok());
        });
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_is_there_is_left_as_it_is_where_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-file");
        fs::write(&path, "mine").unwrap();
        run(async {
            let refused = Socket::bind(&path).await;
            assert!(matches!(refused, Err(ServeError::NoSocket { .. })));
            let long = folder.path().join("x".repeat(200));
            let refused = Socket::bind(&long).await;
            assert!(matches!(refused, Err(ServeError::Listen { .. })));
        });
        assert_eq!(names(folder.path()), ["a-file"]);
    }
}
