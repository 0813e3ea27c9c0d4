//! The backup engine without IO: where files are cut, how chunks are compressed, what the tree of a snapshot looks
//! like in bytes, and which blobs one snapshot references more or less often than another.
//!
//! Owns sections 4 and 5 of the format, the compression rule of section 3 and the reference deltas of section 6.
//! It must not know keys, servers, clocks, threads, file systems or random sources, and builds for wasm32 and native.
//! Blobs come and go through [`BlobSource`] and [`BlobSink`], which seal, open and move them.
#![warn(missing_docs)]

mod blobs;
mod build;
mod category;
mod chunker;
mod compare;
mod compress;
mod content;
mod diff;
mod directory;
mod edit;
mod entry;
mod format;
mod gear;
mod name;
mod pages;
mod restore;
mod split;
mod totals;
mod walk;

pub use blobs::{BlobSink, BlobSource, PREFETCH_MAX, TreeError};
pub use build::{WrittenDirectory, write_content, write_directory};
pub use category::Category;
pub use chunker::{Chunker, MAX_CHUNK_LEN, MIN_CHUNK_LEN};
pub use compare::{Comparison, Difference};
pub use compress::{Compressor, DecompressError, RAW_LEN_MAX, decompress};
pub use content::{ChunkRef, Content, INLINE_LEN_MAX, StoredContent};
pub use diff::{baseline, diff};
pub use directory::{ChunkList, Directory, PageIndex, PageRow};
pub use edit::{Change, NewDirectory, edit};
pub use entry::{Entry, Metadata, Node};
pub use format::{Extensions, FormatError};
pub use name::{Name, NameError, PATH_DEPTH_MAX};
pub use restore::{FilePlan, FileVerifier, Piece, VerifyError, plan_file};
pub use split::{FileSplitter, Remainder, SplitFile};
pub use totals::{Tally, Totals};
pub use walk::{Walk, find, read_directory};
